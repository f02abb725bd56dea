#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>

namespace quiver {

// Of a token router, by slot index.
struct RoutingVectors {
  std::map<std::int64_t, at::Tensor> vectors = {};      // (E V, in) float32
  std::map<std::int64_t, at::Tensor> calibration = {};  // (E, 2) float32: mean and deviation of its logits
};

}  // namespace quiver
