#include "kernels/dot_products.h"

#include <algorithm>
#include <bit>

#include "kernels/sum_lanes.h"
#include "kernels/vector_registers.h"

namespace quiver::row_loops {
namespace {

// Rows of the weight. `ahead`: how many floats further to prefetch meanwhile; 0: nothing.
struct WeightRows {
  const float* data;
  std::int64_t stride, ahead;
};

// The products of M rows of x with N rows of the weight, each in its own register.
template <typename Register, int M, int N>
QUIVER_INLINE void tile(const float* const* x, const WeightRows& weight, std::int64_t width,
                        float* const* out, std::int64_t column) {
  using Lanes = typename Register::Lanes;
  constexpr int kSums = std::bit_ceil(static_cast<unsigned>(M * N));
  Lanes sum[kSums];
#pragma GCC unroll 16
  for (int k = 0; k < kSums; ++k) sum[k] = Lanes{};
  const auto add_products = [&](std::int64_t i) __attribute__((always_inline)) {
    Lanes w[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) w[n] = *reinterpret_cast<const Lanes*>(weight.data + n * weight.stride + i);
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      const Lanes row = *reinterpret_cast<const Lanes*>(x[m] + i);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[m * N + n] += row * w[n];
    }
  };
  std::int64_t i = 0;
  if (weight.ahead != 0) {
    for (; i + kLanes<Register> <= width; i += kLanes<Register>) {
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) __builtin_prefetch(weight.data + n * weight.stride + weight.ahead + i);
      add_products(i);
    }
  } else {
    for (; i + kLanes<Register> <= width; i += kLanes<Register>) add_products(i);
  }
  sum_lanes<Register, kSums>(sum);
#pragma GCC unroll 16
  for (int k = 0; k < M * N; ++k) out[k / N][column + k % N] = sum[0][k];
  for (; i < width; ++i) {
    for (int k = 0; k < M * N; ++k)
      out[k / N][column + k % N] += x[k / N][i] * weight.data[k % N * weight.stride + i];
  }
}

// Columns of the weight that all rows of x pass over before the next ones are read from memory. Each group of
// rows fetches its share of the next block meanwhile, since processors fetch ahead within a page only.
struct Block {
  const float* weight;
  std::int64_t stride, columns, width;
  std::int64_t next;  // floats from this block to the next
  std::int64_t groups;
};

// M rows against a block.
template <typename Register, int M, int N>
QUIVER_INLINE void row_group(const float* const* x, const Block& block, std::int64_t group, float* const* out,
                             std::int64_t column) {
  std::int64_t c = 0;
  for (; c + N <= block.columns; c += N) {
    const std::int64_t ahead = c / N % block.groups == group ? block.next : 0;
    tile<Register, M, N>(x, {block.weight + c * block.stride, block.stride, ahead}, block.width, out,
                         column + c);
  }
  for (; c < block.columns; ++c)
    tile<Register, M, 1>(x, {block.weight + c * block.stride, block.stride, 0}, block.width, out, column + c);
}

// All rows against a block, in groups of M and a smaller last one.
template <typename Register, int M, int N>
QUIVER_INLINE void all_rows(const float* const* x, std::int64_t rows, const Block& block, std::int64_t group,
                            float* const* out, std::int64_t column) {
  for (; rows >= M; rows -= M, x += M, out += M) row_group<Register, M, N>(x, block, group++, out, column);
  if constexpr (M > 1) {
    if (rows > 0) all_rows<Register, M - 1, N>(x, rows, block, group, out, column);
  }
}

template <typename Register, int M, int N>
QUIVER_INLINE void all_columns(const float* const* x, std::int64_t rows, const float* weight,
                               std::int64_t stride, std::int64_t columns, std::int64_t width,
                               float* const* out) {
  constexpr std::int64_t kBlockFloats = 8192;  // stay in the first cache, beside the rows of x
  const std::int64_t groups = (rows + M - 1) / M;
  const std::int64_t size = groups == 1 ? N : std::max<std::int64_t>(1, kBlockFloats / width / N) * N;
  for (std::int64_t column = 0; column < columns; column += size) {
    const Block block{
        weight + column * stride, stride, std::min(size, columns - column), width, size * stride, groups};
    all_rows<Register, M, N>(x, rows, block, 0, out, column);
  }
}

#if defined(__x86_64__)
QUIVER_AVX512
void dot_products_avx512(const float* const* x, std::int64_t rows, const float* weight, std::int64_t stride,
                         std::int64_t columns, std::int64_t width, float* const* out) {
  all_columns<Register16, 4, 4>(x, rows, weight, stride, columns, width, out);
}
#endif

QUIVER_AVX2
void dot_products_avx2(const float* const* x, std::int64_t rows, const float* weight, std::int64_t stride,
                       std::int64_t columns, std::int64_t width, float* const* out) {
  all_columns<Register8, 4, 2>(x, rows, weight, stride, columns, width, out);
}

}  // namespace

void dot_products(const float* const* x, std::int64_t rows, const float* weight, std::int64_t stride,
                  std::int64_t columns, std::int64_t width, float* const* out) {
#if defined(__x86_64__)
  if (has_avx512()) return dot_products_avx512(x, rows, weight, stride, columns, width, out);
#endif
  dot_products_avx2(x, rows, weight, stride, columns, width, out);
}

void dot_products(const float* x, std::int64_t x_stride, std::int64_t rows, const float* weight,
                  std::int64_t columns, std::int64_t width, float* out) {
  constexpr std::int64_t kTogether = 64;
  const float* x_rows[kTogether];
  float* out_rows[kTogether];
  for (std::int64_t first = 0; first < rows; first += kTogether) {
    const std::int64_t count = std::min(kTogether, rows - first);
    for (std::int64_t row = 0; row < count; ++row) {
      x_rows[row] = x + (first + row) * x_stride;
      out_rows[row] = out + (first + row) * columns;
    }
    dot_products(x_rows, count, weight, width, columns, width, out_rows);
  }
}

QUIVER_VECTORIZED
void add_scaled_rows(const float* x, std::int64_t rows, const float* factor, std::int64_t width, float* y) {
  std::int64_t row = 0;
  for (; row + 4 <= rows; row += 4, x += 4 * width) {
    const float f0 = factor[row], f1 = factor[row + 1], f2 = factor[row + 2], f3 = factor[row + 3];
    for (std::int64_t i = 0; i < width; ++i)
      y[i] += f0 * x[i] + f1 * x[width + i] + f2 * x[2 * width + i] + f3 * x[3 * width + i];
  }
  for (; row < rows; ++row, x += width) {
    for (std::int64_t i = 0; i < width; ++i) y[i] += factor[row] * x[i];
  }
}

}  // namespace quiver::row_loops
