#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "text/utf8.h"

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

// Ends of the grapheme clusters of `text`. Composition and reordering stay inside a cluster.
std::vector<std::size_t> cluster_ends(std::string_view text) {
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

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

TracedText normalized_text(NormalizationForm form, TracedText text) {
  if (is_ascii(text.bytes())) return text;  // the same in every form
  const std::string whole = normalized_bytes(form, text.bytes());
  if (whole == text.bytes()) return text;

  TracedText result;
  std::size_t begin = 0;
  for (const std::size_t end : cluster_ends(text.bytes())) {
    const std::string_view cluster = std::string_view(text.bytes()).substr(begin, end - begin);
    const std::string mapped = normalized_bytes(form, cluster);
    if (mapped == cluster) {
      for (std::size_t at = begin; at < end; ++at)
        result.append(text.bytes().substr(at, 1), text.span(at, at + 1));
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

}  // namespace

TracedText Normalizer::normalize(TracedText text) const {
  for (const NormalizationForm form : forms_) text = normalized_text(form, std::move(text));
  return text;
}

std::string Normalizer::normalize(std::string_view text) const {
  std::string result(text);
  for (const NormalizationForm form : forms_) result = normalized_bytes(form, result);
  return result;
}

}  // namespace quiver
