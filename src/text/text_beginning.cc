#include "text/text_beginning.h"

namespace quiver {

TextBeginning::TextBeginning(const Tokenizer& tokenizer, BeginOfText setting, std::int32_t eos_id)
    : of_empty_text_(tokenizer.bos_id().value_or(eos_id)), spelled_(tokenizer.decode({&of_empty_text_, 1})) {
  if (setting == BeginOfText::kNever) return;
  const TextFrame& frame = tokenizer.frame();
  if (setting == BeginOfText::kAuto && !frame.after.empty()) {
    throw Error(ErrorKind::kUnsupported,
                "the base model's tokenizer puts '" + tokenizer.token_text(frame.after.front()) +
                    "' after every text (its post-processor, or add_eos_token)",
                "--bos always or never (key `bos` of a config) leaves it out");
  }
  ids_ = frame.before;
  if (!ids_.empty() || setting == BeginOfText::kAuto) return;
  if (!tokenizer.bos_id()) {
    throw Error(ErrorKind::kInvalidArgument,
                "bos is 'always', but the base model's tokenizer names no begin-of-text token");
  }
  ids_ = {*tokenizer.bos_id()};
}

std::span<const std::int32_t> TextBeginning::before(std::string_view text) const {
  if (!spelled_.empty() && text.starts_with(spelled_)) return {};
  return ids_;
}

std::vector<std::int32_t> prompt_tokens(const Tokenizer& tokenizer, const TextBeginning& beginning,
                                        std::string_view prompt) {
  if (prompt.size() > 1 && prompt.back() == ' ') prompt.remove_suffix(1);
  const std::span<const std::int32_t> before = beginning.before(prompt);
  std::vector<std::int32_t> ids = tokenizer.encode(prompt).ids;
  ids.insert(ids.begin(), before.begin(), before.end());
  if (ids.empty()) ids.push_back(beginning.of_empty_text());
  return ids;
}

}  // namespace quiver
