#include "kernels/gemm.h"

extern "C" void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n,
                       const int* k, const float* alpha, const float* a, const int* lda, const float* b,
                       const int* ldb, const float* beta, float* c, const int* ldc);

namespace quiver {

void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta,
          float* c, std::int64_t ldc) {
  // BLAS is column-major, so it is asked for C^T = op(B)^T op(A)^T.
  const char blas_a = transpose_b == Transpose::kYes ? 't' : 'n';
  const char blas_b = transpose_a == Transpose::kYes ? 't' : 'n';
  const int rows = static_cast<int>(n), columns = static_cast<int>(m), inner = static_cast<int>(k);
  const int stride_a = static_cast<int>(ldb), stride_b = static_cast<int>(lda),
            stride_c = static_cast<int>(ldc);
  sgemm_(&blas_a, &blas_b, &rows, &columns, &inner, &alpha, b, &stride_a, a, &stride_b, &beta, c, &stride_c);
}

}  // namespace quiver
