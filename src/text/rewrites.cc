#include "text/rewrites.h"

#include <utf8proc.h>

#include <string>

#include "text/utf8.h"
#include "text/white_space.h"

namespace quiver {
namespace {

// Each character of `text` replaced by `map(code point)`, a text or nothing; where that is the character
// itself, its bytes keep their own places.
template <typename Map>
TracedText mapped(const TracedText& text, Map&& map) {
  TracedText result;
  for (std::size_t at = 0; at < text.bytes().size();) {
    const Utf8Step step = utf8_step(text.bytes(), at);
    const std::size_t end = at + step.length;
    const std::string replacement = map(step.code_point);
    if (text.bytes().compare(at, step.length, replacement) == 0) {
      result.append_part(text, at, end);
    } else {
      result.append(replacement, text.span(at, end));
    }
    at = end;
  }
  return result;
}

std::string utf8_of(char32_t code_point) {
  std::string text;
  append_utf8(text, code_point);
  return text;
}

bool is_nmt_control(char32_t c) {
  return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}

bool is_nmt_space(char32_t c) {
  return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
}

}  // namespace

TracedText with_prefix(std::string_view prefix, const TracedText& text) {
  if (text.bytes().empty()) return text;
  TracedText result;
  const std::uint32_t begin = text.span(0, 1).begin;
  result.append(prefix, {begin, begin});
  result.append_part(text, 0, text.bytes().size());
  return result;
}

TracedText with_replaced(const Regex& pattern, std::string_view content, const TracedText& text) {
  TracedText result;
  std::size_t done = 0;
  for (const Regex::Match& match : pattern.find_all(text.bytes())) {
    result.append_part(text, done, match.begin);
    result.append(content, text.span(match.begin, match.end));
    done = match.end;
  }
  result.append_part(text, done, text.bytes().size());
  return result;
}

TracedText stripped(StripSides sides, const TracedText& text) {
  std::size_t begin = 0;  // of the text's first character that is no white space
  std::size_t end = 0;    // of its last one
  bool inside = false;
  for (std::size_t at = 0; at < text.bytes().size();) {
    const Utf8Step step = utf8_step(text.bytes(), at);
    if (!is_white_space(step.code_point)) {
      if (!inside) begin = at;
      inside = true;
      end = at + step.length;
    }
    at += step.length;
  }
  if (!inside) return {};
  return text.slice(sides == StripSides::kRight ? 0 : begin,
                    sides == StripSides::kLeft ? text.bytes().size() : end);
}

TracedText lowercased(const TracedText& text) {
  return mapped(text, [](char32_t c) {
    // The one letter that becomes two characters, whatever stands around it.
    if (c == U'\u0130') return std::string("i\xCC\x87");
    return utf8_of(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  });
}

TracedText with_nmt_spaces(const TracedText& text) {
  return mapped(text, [](char32_t c) {
    if (is_nmt_control(c)) return std::string();
    return is_nmt_space(c) ? std::string(" ") : utf8_of(c);
  });
}

}  // namespace quiver
