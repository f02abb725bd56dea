#include "text/graphemes.h"

#include <utf8proc.h>

#include "text/utf8.h"

namespace quiver {

std::vector<std::size_t> grapheme_ends(std::string_view text) {
  std::vector<std::size_t> ends;
  utf8proc_int32_t state = 0;
  char32_t previous = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (at > 0 && utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous),
                                                   static_cast<utf8proc_int32_t>(step.code_point), &state)) {
      ends.push_back(at);
    }
    previous = step.code_point;
    at += step.length;
  }
  ends.push_back(text.size());
  return ends;
}

}  // namespace quiver
