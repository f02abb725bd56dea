#if defined(__x86_64__)

// GCC 12 warns about its own headers, whose undefined registers are meant to be undefined (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define QUIVER_BLOCKS_TARGET __attribute__((target("avx512f,avx2,fma,f16c")))
#include "kernels/block_tiles.h"

namespace quiver::row_loops {
namespace {

struct Avx512 {
  using Register = Register16;
  static constexpr int kRows = 8, kColumns = 2;

  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m512i widen_unsigned(const char* bytes) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  }
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m512i widen_signed(const char* bytes) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  }
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m512 multiply_add(__m512 a, __m512 b, __m512 c) {
    return _mm512_fmadd_ps(a, b, c);
  }
};

}  // namespace

QUIVER_BLOCKS_TARGET
void block_dot_products_avx512(const float* const* x, std::int64_t rows, const BlockRows& weight,
                               float* const* out, std::int64_t first_column) {
  all_formats<Avx512>(x, rows, weight, out, first_column);
}

}  // namespace quiver::row_loops

#endif
