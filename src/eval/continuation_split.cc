#include "eval/continuation_split.h"

#include "data/unicode_text.h"
#include "quiver/error.h"

namespace quiver {

TextIds ContinuationSplitter::split(const std::string& prompt, const std::string& continuation) {
  const Tokenizer& tokenizer = model_.base().tokenizer();
  if (prompt != last_prompt_) {
    last_tokens_ = tokenizer.encode(strip_right(prompt)).ids.size();
    last_prompt_ = prompt;
  }
  const std::string text = prompt + continuation;
  std::vector<std::int32_t> ids = tokenizer.encode(text).ids;
  if (last_tokens_ >= ids.size()) {
    throw Error(ErrorKind::kInvalidArgument,
                "the continuation '" + continuation.substr(0, 100) + "' adds no token to its prompt",
                "where the tokenizer makes one token of both, a `delimiter` of the task parts them");
  }
  return begun_ids(model_, text, std::move(ids), last_tokens_);
}

}  // namespace quiver
