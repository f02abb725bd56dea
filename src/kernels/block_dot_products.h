#pragma once

#include <cstdint>

#include "tensor/quantised_blocks.h"

namespace quiver::row_loops {

// Whether this processor has what block_dot_products needs: AVX-512 F and F16C.
bool has_block_dot_products();

// dot_products of float32 rows x with weights (columns, width) in GGUF blocks, row after row from `weight`
// on: the bits that the weights expanded to float32 give. Expanding in registers costs less than reading four
// to eight times the bytes. REQUIRES: has_block_dot_products(), width a multiple of kBlockWidth.
void block_dot_products(const float* const* x, std::int64_t rows, BlockFormat format, const char* weight,
                        std::int64_t columns, std::int64_t width, float* const* out);

}  // namespace quiver::row_loops
