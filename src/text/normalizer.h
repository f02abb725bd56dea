#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/traced_text.h"

namespace quiver {

// The Unicode normalization forms of UAX #15, by Unicode 14 (utf8proc). `tokenizers` 0.23 has the tables of
// Unicode 9: about 100 marks (forms C and D) and 170 characters (KC and KD) that came later come out
// differently there.
enum class NormalizationForm { kNfc, kNfd, kNfkc, kNfkd };

// Normalization forms applied one after the other; often none. Immutable and thread-safe.
class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizationForm> forms) : forms_(std::move(forms)) {}

  bool empty() const { return forms_.empty(); }

  TracedText normalize(TracedText text) const;

  // The same without places in the input.
  std::string normalize(std::string_view text) const;

 private:
  std::vector<NormalizationForm> forms_;
};

}  // namespace quiver
