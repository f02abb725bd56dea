#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/traced_text.h"

namespace quiver {

// The Unicode normalization forms of UAX #15.
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
