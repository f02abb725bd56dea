#pragma once

#include <cstdint>

namespace quiver {

enum class Transpose { kNo, kYes };
enum class Update { kSet, kAdd };

// A matrix of which the elements (i, j) with j > i + past (past >= 0) are left out, as those of the scores of
// causal attention: of A as it stands in memory, which holds zeros there, or of C, whose elements there are
// not needed and are lost, also when the product is added to C.
struct LowerTriangle {
  enum class Of { kNone, kA, kC } of = Of::kNone;
  std::int64_t past = 0;
};

// C = or += op(A) op(B) with C (rows, columns), op(A) (rows, inner), op(B) (inner, columns); row-major
// float32, rows lda, ldb, ldc apart. For the small matrices of attention and LoRA, on the calling thread
// alone: B is read where it stands, or packed whole when it is transposed or its width is not a multiple
// of 32. Most of the work that a triangle leaves out is not done.
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t rows, std::int64_t columns,
          std::int64_t inner, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
          std::int64_t ldc, Update update, LowerTriangle triangle = {});

}  // namespace quiver
