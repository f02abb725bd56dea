#include "kernels/gemm.h"

#include <algorithm>
#include <vector>

#include "kernels/transpose.h"
#include "kernels/vector_registers.h"

namespace quiver {
namespace {

constexpr std::int64_t kPanel = 32;  // columns of B are read, and padded when packed, in groups of this many

// Element (row, p) of op(A) is data[row * row_step + p * inner_step].
struct Left {
  const float* data;
  std::int64_t row_step, inner_step;
};

// C[0 .. M, 0 .. V registers) = or += op(A)[0 .. M, :] B. `columns` of them are stored.
template <typename Register, int M, int V>
QUIVER_INLINE void tile(const Left& a, const float* b, std::int64_t ldb, std::int64_t inner, float* c,
                        std::int64_t ldc, std::int64_t columns, bool accumulate) {
  using Lanes = typename Register::Lanes;
  constexpr std::int64_t kLanes = sizeof(Lanes) / sizeof(float);
  Lanes sum[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[m][v] = Lanes{};
  }
  for (std::int64_t p = 0; p < inner; ++p) {
    Lanes row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) row[v] = *reinterpret_cast<const Lanes*>(b + p * ldb + v * kLanes);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const float factor = a.data[m * a.row_step + p * a.inner_step];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[m][v] += factor * row[v];
    }
  }
  if (columns == V * kLanes) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        Lanes& place = *reinterpret_cast<Lanes*>(c + m * ldc + v * kLanes);
        place = accumulate ? place + sum[m][v] : sum[m][v];
      }
    }
    return;
  }
  for (int m = 0; m < M; ++m) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const float value = sum[m][j / kLanes][j % kLanes];
      c[m * ldc + j] = accumulate ? c[m * ldc + j] + value : value;
    }
  }
}

// All rows of one panel, in groups of M and smaller last ones.
template <typename Register, int M, int V>
QUIVER_INLINE void panel(Left a, std::int64_t rows, const float* b, std::int64_t ldb, std::int64_t inner,
                         float* c, std::int64_t ldc, std::int64_t columns, bool accumulate) {
  for (; rows >= M; rows -= M, a.data += M * a.row_step, c += M * ldc)
    tile<Register, M, V>(a, b, ldb, inner, c, ldc, columns, accumulate);
  if constexpr (M > 1) {
    if (rows > 0) panel<Register, M / 2, V>(a, rows, b, ldb, inner, c, ldc, columns, accumulate);
  }
}

struct Product {
  Left a;
  const float* b;
  std::int64_t ldb;
  float* c;
  std::int64_t ldc, rows, columns, inner;
  bool accumulate;
};

#if defined(__x86_64__)
QUIVER_AVX512
void multiply_avx512(const Product& p) {
  for (std::int64_t j = 0; j < p.columns; j += kPanel)
    panel<Register16, 8, 2>(p.a, p.rows, p.b + j, p.ldb, p.inner, p.c + j, p.ldc,
                            std::min(kPanel, p.columns - j), p.accumulate);
}
#endif

QUIVER_AVX2
void multiply_avx2(const Product& p) {
  for (std::int64_t j = 0; j < p.columns; j += 16)
    panel<Register8, 4, 2>(p.a, p.rows, p.b + j, p.ldb, p.inner, p.c + j, p.ldc,
                           std::min<std::int64_t>(16, p.columns - j), p.accumulate);
}

// op(B) with its rows contiguous and padded with zeros to whole panels.
const float* pack(const float* b, std::int64_t ldb, bool transposed, std::int64_t inner, std::int64_t columns,
                  std::int64_t width) {
  thread_local std::vector<float> packed;
  packed.resize(std::max(packed.size(), static_cast<std::size_t>(inner * width)));
  if (transposed) transpose(b, ldb, columns, inner, packed.data(), width);
  for (std::int64_t p = 0; p < inner; ++p) {
    float* row = packed.data() + p * width;
    if (!transposed) std::copy_n(b + p * ldb, columns, row);
    std::fill(row + columns, row + width, 0.0f);
  }
  return packed.data();
}

}  // namespace

void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t rows, std::int64_t columns,
          std::int64_t inner, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
          std::int64_t ldc, Update update) {
  Product product{transpose_a == Transpose::kYes ? Left{a, 1, lda} : Left{a, lda, 1},
                  b,
                  ldb,
                  c,
                  ldc,
                  rows,
                  columns,
                  inner,
                  update == Update::kAdd};
  const std::int64_t width = (columns + kPanel - 1) / kPanel * kPanel;
  if (transpose_b == Transpose::kYes || width != columns) {
    product.b = pack(b, ldb, transpose_b == Transpose::kYes, inner, columns, width);
    product.ldb = width;
  }
#if defined(__x86_64__)
  if (has_avx512()) return multiply_avx512(product);
#endif
  multiply_avx2(product);
}

}  // namespace quiver
