#include "kernels/block_dot_products.h"

#include "core/check.h"
#include "kernels/vector_registers.h"

namespace quiver::row_loops {

#if defined(__x86_64__)

bool has_block_dot_products() {
  static const bool answer = __builtin_cpu_supports("x86-64-v3");  // AVX2, FMA and F16C
  return answer;
}

void block_dot_products(const float* const* x, std::int64_t rows, const BlockRows& weight, float* const* out,
                        std::int64_t first_column) {
  if (has_avx512()) return block_dot_products_avx512(x, rows, weight, out, first_column);
  block_dot_products_avx2(x, rows, weight, out, first_column);
}

#else

bool has_block_dot_products() { return false; }

void block_dot_products(const float* const*, std::int64_t, const BlockRows&, float* const*, std::int64_t) {
  QUIVER_CHECK(false, "not an x86-64 processor");
}

#endif

}  // namespace quiver::row_loops
