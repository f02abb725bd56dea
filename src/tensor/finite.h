#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "tensor/quantized_blocks.h"

namespace quiver {

// Whether no number of the tensor, of any shape and type, is infinite or NaN. One pass without temporaries
// over contiguous float32, half precision and bfloat16 on the CPU, where at::isfinite takes several.
// Thread-safe.
bool all_finite(const at::Tensor& tensor);
bool all_finite(std::span<const float> numbers);

// The same for blocks: of their scales, since finite ones times small integers are finite in float32.
bool all_finite(const QuantizedBlocks& blocks);

}  // namespace quiver
