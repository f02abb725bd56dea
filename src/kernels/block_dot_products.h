#pragma once

#include <cstdint>

#include "tensor/quantised_blocks.h"

namespace quiver::row_loops {

// Weights (columns, width) in GGUF blocks, row after row; width is a multiple of block_width(format).
struct BlockRows {
  BlockFormat format;
  const char* bytes;
  std::int64_t columns, width;
};

// Whether this processor has what block_dot_products needs: AVX2, FMA and F16C. It uses AVX-512 where
// has_avx512().
bool has_block_dot_products();

// out[m][first_column + n] = sum_i x[m][i] * weight[n, i] for `rows` row pointers x (width each): the bits
// that dot_products gives for the weights expanded to float32. Expanding them in registers costs less than
// reading 128 bytes for 32 values instead of 18 (Q4_0) to 34 (Q8_0). Plain pointers, the calling
// thread alone. REQUIRES: has_block_dot_products().
void block_dot_products(const float* const* x, std::int64_t rows, const BlockRows& weight, float* const* out,
                        std::int64_t first_column);

// The same with one instruction set each; on x86-64 only.
void block_dot_products_avx512(const float* const* x, std::int64_t rows, const BlockRows& weight,
                               float* const* out, std::int64_t first_column);
void block_dot_products_avx2(const float* const* x, std::int64_t rows, const BlockRows& weight,
                             float* const* out, std::int64_t first_column);

}  // namespace quiver::row_loops
