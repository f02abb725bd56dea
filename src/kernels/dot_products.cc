#include "kernels/dot_products.h"

#include <algorithm>

#if defined(__x86_64__)
#define QUIVER_AVX512 __attribute__((target("avx512f,fma")))
#define QUIVER_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define QUIVER_AVX2 __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define QUIVER_VECTORISED
#define QUIVER_AVX2
#endif
#define QUIVER_INLINE inline __attribute__((always_inline))

namespace quiver::row_loops {
namespace {

// Unaligned groups of floats: one register of AVX-512, one of AVX2. Templates take the structs, since they
// would drop a type's attributes.
struct Register16 {
  typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));
};
struct Register8 {
  typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));
};

// The products of M rows of x with N rows of the weight, each in its own register.
template <typename Register, int M, int N>
QUIVER_INLINE void tile(const float* const* x, const float* weight, std::int64_t width, float* const* out,
                        std::int64_t column) {
  using Lanes = typename Register::Lanes;
  constexpr std::int64_t kAhead = 4;  // rows of the weight
  constexpr std::int64_t kLanes = sizeof(Lanes) / sizeof(float);
  Lanes sum[M][N];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) sum[m][n] = Lanes{};
  }
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Lanes w[N];
    // Processors fetch ahead within a page only, and a row of weights may fill one.
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) __builtin_prefetch(weight + (kAhead + n) * width + i);
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) w[n] = *reinterpret_cast<const Lanes*>(weight + n * width + i);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const Lanes row = *reinterpret_cast<const Lanes*>(x[m] + i);
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) sum[m][n] += row * w[n];
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) {
      float total = 0;
#pragma GCC unroll 16
      for (int lane = 0; lane < kLanes; ++lane) total += sum[m][n][lane];
      out[m][column + n] = total;
    }
  }
  for (; i < width; ++i) {
    for (int m = 0; m < M; ++m) {
      for (int n = 0; n < N; ++n) out[m][column + n] += x[m][i] * weight[n * width + i];
    }
  }
}

// All rows against N rows of the weight, in groups of M and a smaller last one.
template <typename Register, int M, int N>
QUIVER_INLINE void all_rows(const float* const* x, std::int64_t rows, const float* weight, std::int64_t width,
                            float* const* out, std::int64_t column) {
  for (; rows >= M; rows -= M, x += M, out += M) tile<Register, M, N>(x, weight, width, out, column);
  if constexpr (M > 1) {
    if (rows > 0) all_rows<Register, M / 2, N>(x, rows, weight, width, out, column);
  }
}

template <typename Register, int M>
QUIVER_INLINE void all_columns(const float* const* x, std::int64_t rows, const float* weight,
                               std::int64_t columns, std::int64_t width, float* const* out) {
  std::int64_t column = 0;
  for (; column + 2 <= columns; column += 2)
    all_rows<Register, M, 2>(x, rows, weight + column * width, width, out, column);
  if (column < columns) all_rows<Register, M, 1>(x, rows, weight + column * width, width, out, column);
}

#if defined(__x86_64__)
QUIVER_AVX512
void dot_products_avx512(const float* const* x, std::int64_t rows, const float* weight, std::int64_t columns,
                         std::int64_t width, float* const* out) {
  all_columns<Register16, 8>(x, rows, weight, columns, width, out);
}
#endif

QUIVER_AVX2
void dot_products_avx2(const float* const* x, std::int64_t rows, const float* weight, std::int64_t columns,
                       std::int64_t width, float* const* out) {
  all_columns<Register8, 4>(x, rows, weight, columns, width, out);
}

}  // namespace

void dot_products(const float* const* x, std::int64_t rows, const float* weight, std::int64_t columns,
                  std::int64_t width, float* const* out) {
#if defined(__x86_64__)
  static const bool has_avx512 = __builtin_cpu_supports("avx512f");
  if (has_avx512) return dot_products_avx512(x, rows, weight, columns, width, out);
#endif
  dot_products_avx2(x, rows, weight, columns, width, out);
}

QUIVER_VECTORISED
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
