#pragma once

#include <string>

namespace quiver {

// Whether a begin-of-text token ("<s>", "<bos>") stands before every text that a model reads.
enum class BeginOfText {
  kAuto,    // as the tokenizer's files say; with experts, as they were trained
  kAlways,  // what the tokenizer's files say, or else the begin-of-text token that they name
  kNever,
};

// "auto", "always" or "never", and back. parse_begin_of_text() throws Error(kInvalidArgument).
const char* begin_of_text_name(BeginOfText setting);
BeginOfText parse_begin_of_text(const std::string& text);

}  // namespace quiver
