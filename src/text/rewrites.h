#pragma once

#include <string_view>

#include "core/regex.h"
#include "text/traced_text.h"

namespace quiver {

// The rewrites of tokenizer.json that need no tables: its normalizers Prepend, Replace, Strip, Lowercase and
// Nmt. What replaces a match has the place of the match; what is put before a text has an empty place.

// An empty text stays empty.
TracedText with_prefix(std::string_view prefix, const TracedText& text);

TracedText with_replaced(const Regex& pattern, std::string_view content, const TracedText& text);

enum class StripSides { kLeft, kRight, kBoth };
// Without the white space at its ends.
TracedText stripped(StripSides sides, const TracedText& text);

// By Unicode 14 (utf8proc); `tokenizers` 0.23 knows some newer letters.
TracedText lowercased(const TracedText& text);

// SentencePiece's preparation for translation: control characters are removed, other kinds of white space and
// U+FFFD become spaces.
TracedText with_nmt_spaces(const TracedText& text);

}  // namespace quiver
