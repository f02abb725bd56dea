#pragma once

#include <cstdint>

#include "tensor/quantized_blocks.h"

// What is computed from weights in blocks. Plain pointers, the calling thread alone. AVX-512 where
// has_avx512(), else AVX2 where the processor has it, else dequantize() and dot_products().
namespace quiver::row_loops {

// Weights (columns, width) in GGUF blocks, row after row; width is a multiple of block_width(format).
struct BlockRows {
  BlockFormat format;
  const char* bytes;
  std::int64_t columns, width;
};

// The weights as float32 (columns, width): the bits of dequantize(), NaN aside.
void expand_blocks(const BlockRows& weight, float* target);

// out[m][first_column + n] = sum_i x[m][i] * weight[n, i] for `rows` row pointers x (width each): the bits
// that dot_products gives for the expanded weights. Expanding them in registers, again for each eight rows,
// costs less than reading 128 bytes for 32 values instead of 18 (Q4_0) to 64 (F16).
void block_dot_products(const float* const* x, std::int64_t rows, const BlockRows& weight, float* const* out,
                        std::int64_t first_column);

// The loops of one instruction set.
struct BlockLoops {
  decltype(&expand_blocks) expand;
  decltype(&block_dot_products) dot_products;
};
#if defined(__x86_64__)
extern const BlockLoops kAvx2BlockLoops;
extern const BlockLoops kAvx512BlockLoops;
#endif

}  // namespace quiver::row_loops
