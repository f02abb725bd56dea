#pragma once

#include <cstdint>

// Products of a few rows with a matrix, and the sum of a few scaled rows: what a batch of one to a hundred
// tokens, or the tokens of one expert, needs. Plain float32 pointers, the calling thread alone. For more rows
// a blocked matrix product is faster.
namespace quiver::row_loops {

// out[m][n] = sum_i x[m][i] * weight[n * stride + i] for `rows` row pointers x (width each) and weight
// (columns, width), its rows `stride` apart. A row's result does not depend on the rows beside it.
void dot_products(const float* const* x, std::int64_t rows, const float* weight, std::int64_t stride,
                  std::int64_t columns, std::int64_t width, float* const* out);

// out (rows, columns) = x weight^T for x (rows, width), its rows `x_stride` apart, and weight (columns,
// width).
void dot_products(const float* x, std::int64_t x_stride, std::int64_t rows, const float* weight,
                  std::int64_t columns, std::int64_t width, float* out);

// y[i] += sum_m factor[m] * x[m * width + i] for x (rows, width).
void add_scaled_rows(const float* x, std::int64_t rows, const float* factor, std::int64_t width, float* y);

}  // namespace quiver::row_loops
