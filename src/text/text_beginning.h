#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quiver/begin_of_text.h"
#include "quiver/tokenizer.h"

namespace quiver {

// What stands before the texts that one model reads. A value; thread-safe.
class TextBeginning {
 public:
  // `eos_id` is what begins an empty text where the tokenizer has no begin-of-text token. Throws
  // Error(kInvalidArgument) for kAlways without such a token, and Error(kUnsupported) for kAuto where the
  // tokenizer's files put tokens after a text as well: no text that goes on can be read so.
  TextBeginning(const Tokenizer& tokenizer, BeginOfText setting, std::int32_t eos_id);

  // The ids to put before the tokens of `text`; none where it is spelled out there already, as
  // lm-evaluation-harness does (`has_bos_prefix`).
  std::span<const std::int32_t> before(std::string_view text) const;

  // What the first token of a text without a prompt is predicted from: begin-of-text, or else end-of-text.
  std::int32_t of_empty_text() const { return of_empty_text_; }

  bool is_empty() const { return ids_.empty(); }

 private:
  std::vector<std::int32_t> ids_;
  std::int32_t of_empty_text_;
  std::string spelled_;  // the text of of_empty_text_
};

// A prompt to continue: begin-of-text where the model has it, then the text without its one trailing space,
// which the answer carries. At least one id: an empty text is begin-of-text, or end-of-text where the
// tokenizer has none. Throws what Tokenizer::encode throws.
std::vector<std::int32_t> prompt_tokens(const Tokenizer& tokenizer, const TextBeginning& beginning,
                                        std::string_view prompt);

}  // namespace quiver
