#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "quiver/routed_model.h"

namespace quiver {

// Draws the tokens of one request. Its random numbers follow from the seed and the request's place in the
// call alone, so neither batch size nor neighbours change them.
class TokenSampler {
 public:
  TokenSampler(const GenerationOptions& options, std::size_t request);

  // logits (V), finite -> an id.
  std::int32_t draw(const at::Tensor& logits);

 private:
  double temperature_, top_p_;
  at::Generator generator_;
};

}  // namespace quiver
