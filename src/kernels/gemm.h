#pragma once

#include <cstdint>

namespace quiver {

enum class Transpose { kNo, kYes };

// Row-major float32 C = alpha op(A) op(B) + beta C with C (m, n), op(A) (m, k), op(B) (k, n) and row strides
// lda, ldb, ldc. Calls the BLAS that LibTorch carries; inside at::parallel_for it runs on the calling thread
// alone.
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta,
          float* c, std::int64_t ldc);

}  // namespace quiver
