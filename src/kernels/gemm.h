#pragma once

#include <cstdint>

namespace quiver {

enum class Transpose { kNo, kYes };
enum class Update { kSet, kAdd };

// C = or += op(A) op(B) with C (rows, columns), op(A) (rows, inner), op(B) (inner, columns); row-major
// float32, rows lda, ldb, ldc apart. For the small matrices of attention and LoRA, on the calling thread
// alone: B is read where it stands, or packed whole when it is transposed or its width is not a multiple
// of 32.
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t rows, std::int64_t columns,
          std::int64_t inner, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
          std::int64_t ldc, Update update);

}  // namespace quiver
