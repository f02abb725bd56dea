#include "eval/continuation_split.h"

#include "data/unicode_text.h"
#include "quiver/error.h"

namespace quiver {

SplitText ContinuationSplitter::split(const std::string& prompt, const std::string& continuation) {
  if (prompt != last_prompt_) {
    last_tokens_ = tokenizer_.encode(strip_right(prompt)).ids.size();
    last_prompt_ = prompt;
  }
  const std::string text = prompt + continuation;
  const Encoding whole = tokenizer_.encode(text);
  if (last_tokens_ >= whole.ids.size()) {
    throw Error(ErrorKind::kInvalidArgument,
                "the continuation '" + continuation.substr(0, 100) + "' adds no token to its prompt");
  }
  const std::size_t cut = last_tokens_ == 0 ? 0 : whole.spans[last_tokens_ - 1].end;
  return {text.substr(0, cut), text.substr(cut)};
}

}  // namespace quiver
