#if defined(__x86_64__)

#define QUIVER_BLOCKS_TARGET __attribute__((target("avx2,fma,f16c")))
#include "kernels/block_tiles.h"

namespace quiver::row_loops {
namespace {

struct Avx2 {
  using Register = Register8;
  static constexpr int kRows = 8, kColumns = 1;

  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m256i widen_unsigned(const char* bytes) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
  }
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m256i widen_signed(const char* bytes) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
  }
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m256 multiply_add(__m256 a, __m256 b, __m256 c) {
    return _mm256_fmadd_ps(a, b, c);
  }
};

}  // namespace

QUIVER_BLOCKS_TARGET
void block_dot_products_avx2(const float* const* x, std::int64_t rows, const BlockRows& weight,
                             float* const* out, std::int64_t first_column) {
  all_formats<Avx2>(x, rows, weight, out, first_column);
}

}  // namespace quiver::row_loops

#endif
