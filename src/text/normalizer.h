#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/traced_text.h"

namespace quiver {

// Rewrites a text. Called from many threads at the same time.
using Rewrite = std::function<TracedText(TracedText)>;

// Rewrites applied one after the other; often none. Immutable and thread-safe.
class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<Rewrite> rewrites) : rewrites_(std::move(rewrites)) {}

  TracedText normalize(TracedText text) const {
    for (const Rewrite& rewrite : rewrites_) text = rewrite(std::move(text));
    return text;
  }

  // The same without places in the input.
  std::string normalize(std::string_view text) const { return normalize(TracedText::repaired(text)).bytes(); }

 private:
  std::vector<Rewrite> rewrites_;
};

}  // namespace quiver
