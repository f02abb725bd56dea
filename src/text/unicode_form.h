#pragma once

#include "text/traced_text.h"

namespace quiver {

// The Unicode normalization forms of UAX #15, by Unicode 15 (utf8proc). `tokenizers` 0.23 has the tables of
// Unicode 9: about 100 marks (forms C and D) and 170 characters (KC and KD) that came later come out
// differently there.
enum class NormalizationForm { kNfc, kNfd, kNfkc, kNfkd };

// Every byte of a rewritten grapheme cluster has the place of the whole cluster.
TracedText in_form(NormalizationForm form, TracedText text);

}  // namespace quiver
