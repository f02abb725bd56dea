#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quiver {

// One step through text that may not be UTF-8: a whole valid character, or the longest broken part that
// Unicode's "maximal subpart" rule (chapter 3.9) replaces by one U+FFFD.
struct Utf8Step {
  char32_t code_point = 0;  // U+FFFD for a broken part
  std::size_t length = 0;   // bytes consumed, at least 1
  bool valid = true;
};

// REQUIRES: begin < text.size().
Utf8Step utf8_step(std::string_view text, std::size_t begin);

// Where the valid prefix of `text` ends; text.size() if all of it is UTF-8.
std::size_t valid_utf8_prefix(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

}  // namespace quiver
