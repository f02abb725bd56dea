#include "data/unicode_text.h"

#include <utf8proc.h>

#include <algorithm>

#include "text/utf8.h"

namespace quiver {

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::string_view strip_right(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    at += step.length;
    if (!is_space(step.code_point)) end = at;
  }
  return text.substr(0, end);
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text, 0);
    if (!is_space(step.code_point)) break;
    text.remove_prefix(step.length);
  }
  return strip_right(text);
}

std::string capitalize(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    const auto code_point = static_cast<utf8proc_int32_t>(step.code_point);
    if (step.valid) {
      append_utf8(result, static_cast<char32_t>(at == 0 ? utf8proc_totitle(code_point)
                                                        : utf8proc_tolower(code_point)));
    } else {
      result += text.substr(at, step.length);
    }
    at += step.length;
  }
  return result;
}

std::int64_t character_length(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace quiver
