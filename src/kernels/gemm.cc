#include "kernels/gemm.h"

#include <algorithm>
#include <vector>

#include "kernels/transpose.h"
#include "kernels/vector_registers.h"

namespace quiver {
namespace {

constexpr std::int64_t kPanel = 32;  // columns of B are padded to a multiple of this when packed

// Element (row, p) of op(A) is data[row * row_step + p * inner_step].
struct Left {
  const float* data;
  std::int64_t row_step, inner_step;
};

struct Range {
  std::int64_t begin, end;
};

struct Product {
  Left a;
  const float* b;
  std::int64_t ldb;
  float* c;
  std::int64_t ldc, rows, columns, inner;
  Update update;
  Transpose transpose_a;
  LowerTriangle triangle;

  // The first row of C of which an element in the columns from `column` on is wanted.
  std::int64_t first_row(std::int64_t column) const {
    if (triangle.of != LowerTriangle::Of::kC) return 0;
    return std::clamp<std::int64_t>(column - triangle.past, 0, rows);
  }

  // The p for which one of the `count` rows of op(A) from `row` on is not zero.
  Range inner_range(std::int64_t row, std::int64_t count) const {
    if (triangle.of != LowerTriangle::Of::kA) return {0, inner};
    if (transpose_a == Transpose::kYes) return {std::max<std::int64_t>(0, row - triangle.past), inner};
    return {0, std::min(inner, row + count + triangle.past)};
  }
};

// C[0 .. M, 0 .. V registers) = or += op(A)[0 .. M, range] B[range, :]. `columns` of them are stored.
template <typename Register, int M, int V>
QUIVER_INLINE void tile(const Left& a, const float* b, std::int64_t ldb, Range range, float* c,
                        std::int64_t ldc, std::int64_t columns, bool accumulate) {
  using Lanes = typename Register::Lanes;
  constexpr std::int64_t kWidth = kLanes<Register>;
  Lanes sum[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[m][v] = Lanes{};
  }
  for (std::int64_t p = range.begin; p < range.end; ++p) {
    Lanes row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) row[v] = *reinterpret_cast<const Lanes*>(b + p * ldb + v * kWidth);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const float factor = a.data[m * a.row_step + p * a.inner_step];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[m][v] += factor * row[v];
    }
  }
  if (columns == V * kWidth) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        Lanes& place = *reinterpret_cast<Lanes*>(c + m * ldc + v * kWidth);
        place = accumulate ? place + sum[m][v] : sum[m][v];
      }
    }
    return;
  }
  for (int m = 0; m < M; ++m) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const float value = sum[m][j / kWidth][j % kWidth];
      c[m * ldc + j] = accumulate ? c[m * ldc + j] + value : value;
    }
  }
}

// The rows of C from `row` on, in the columns of one panel from `column` on, in groups of M and smaller last
// ones.
template <typename Register, int M, int V>
QUIVER_INLINE void panel(const Product& p, std::int64_t row, std::int64_t column) {
  const std::int64_t columns = std::min<std::int64_t>(V * kLanes<Register>, p.columns - column);
  for (; row + M <= p.rows; row += M) {
    const Left a{p.a.data + row * p.a.row_step, p.a.row_step, p.a.inner_step};
    tile<Register, M, V>(a, p.b + column, p.ldb, p.inner_range(row, M), p.c + row * p.ldc + column, p.ldc,
                         columns, p.update == Update::kAdd);
  }
  if constexpr (M > 1) {
    if (row < p.rows) panel<Register, M / 2, V>(p, row, column);
  }
}

#if defined(__x86_64__)
QUIVER_AVX512
void multiply_avx512(const Product& p) {
  for (std::int64_t j = 0; j < p.columns; j += 32) panel<Register16, 8, 2>(p, p.first_row(j), j);
}
#endif

QUIVER_AVX2
void multiply_avx2(const Product& p) {
  for (std::int64_t j = 0; j < p.columns; j += 16) panel<Register8, 4, 2>(p, p.first_row(j), j);
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
          std::int64_t ldc, Update update, LowerTriangle triangle) {
  Product product{.a = transpose_a == Transpose::kYes ? Left{a, 1, lda} : Left{a, lda, 1},
                  .b = b,
                  .ldb = ldb,
                  .c = c,
                  .ldc = ldc,
                  .rows = rows,
                  .columns = columns,
                  .inner = inner,
                  .update = update,
                  .transpose_a = transpose_a,
                  .triangle = triangle};
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
