#include "tensor/finite.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cstdint>

namespace quiver {

bool all_finite(const at::Tensor& tensor) {
  if (tensor.scalar_type() != at::kFloat || !tensor.is_cpu() || !tensor.is_contiguous()) {
    return at::isfinite(tensor).all().item<bool>();
  }
  // Without the sign, the bits of a float32 are ordered as integers: finite numbers, infinity, NaN.
  constexpr std::int32_t kWithoutSign = 0x7fffffff;
  constexpr std::int32_t kInfinity = 0x7f800000;
  const float* values = tensor.const_data_ptr<float>();
  std::int32_t largest = 0;
  for (std::int64_t i = 0, count = tensor.numel(); i < count; ++i) {
    largest = std::max(largest, std::bit_cast<std::int32_t>(values[i]) & kWithoutSign);
  }
  return largest < kInfinity;
}

}  // namespace quiver
