#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "tensor/quantized_blocks.h"

namespace quiver {

// weight (out, in) rounded to Q8_0: d = max |w| / 127 over a block, in half precision rounded up, w = d q. It
// must be a multiple of kBlockWidth wide. Throws Error(kUnsupported) when a weight is not finite or too large
// for a half-precision scale.
QuantizedBlocks round_to_q8_0(const at::Tensor& weight);

// The numbers of a half-precision or bfloat16 matrix, as they are; nothing for another type, or a width that
// is no multiple of kBlockWidth.
std::optional<QuantizedBlocks> blocks_of_halves(const at::Tensor& weight);

}  // namespace quiver
