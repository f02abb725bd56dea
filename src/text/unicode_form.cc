#include "text/unicode_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "text/graphemes.h"

namespace quiver {
namespace {

utf8proc_option_t options_of(NormalizationForm form) {
  switch (form) {
    case NormalizationForm::kNfc:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    case NormalizationForm::kNfd:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    case NormalizationForm::kNfkc:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case NormalizationForm::kNfkd:
      break;
  }
  return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
}

std::string normalized_bytes(NormalizationForm form, std::string_view text) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &mapped, options_of(form));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  // The text is valid UTF-8, so memory is all that can run out.
  if (length < 0) throw std::bad_alloc();
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(length));
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

TracedText in_form(NormalizationForm form, TracedText text) {
  if (is_ascii(text.bytes())) return text;  // the same in every form
  const std::string whole = normalized_bytes(form, text.bytes());
  if (whole == text.bytes()) return text;

  TracedText result;
  std::size_t begin = 0;
  // Composition and reordering stay inside a grapheme cluster.
  for (const std::size_t end : grapheme_ends(text.bytes())) {
    const std::string_view cluster = std::string_view(text.bytes()).substr(begin, end - begin);
    const std::string mapped = normalized_bytes(form, cluster);
    if (mapped == cluster) {
      result.append_part(text, begin, end);
    } else {
      result.append(mapped, text.span(begin, end));
    }
    begin = end;
  }
  if (result.bytes() == whole) return result;
  // A sequence that normalizes across clusters: the ids must be right, so the places become coarse.
  TracedText coarse;
  coarse.append(whole, text.span(0, text.bytes().size()));
  return coarse;
}

}  // namespace quiver
