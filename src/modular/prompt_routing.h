#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "modular/adapters.h"

namespace quiver {

// Weights that a mixture used for the tokens of a prompt, which may be run in several pieces: sums over
// tokens by slot.
class PromptRouting {
 public:
  // What to run the next piece of `rows` tokens with instead of `adapter`, whose weights for the first
  // `counted` of them are added up here while it runs. `adapter` itself where it is no mixture.
  const LinearAdapter* record(const std::shared_ptr<const LinearAdapter>& adapter, std::int64_t rows,
                              std::int64_t counted);
  // What was recorded of what stands before these tokens.
  void add(const PromptRouting& before);

  // The mean over `tokens`, which is all of the prompt's, and the slots that saw all of them; empty where
  // there are none.
  std::vector<double> mean(std::int64_t tokens) const;

 private:
  struct Sum {
    std::int64_t tokens = 0;
    at::Tensor weights;  // (E) float64
  };
  std::map<std::int64_t, Sum> slots_;
  std::vector<std::unique_ptr<const LinearAdapter>> recorders_;
};

}  // namespace quiver
