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
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m512 widen_half(const char* source) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
  }
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m512 widen_bfloat16(const char* source) {
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
  }
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m512 multiply_add(__m512 a, __m512 b, __m512 c) {
    return _mm512_fmadd_ps(a, b, c);
  }
};

}  // namespace

const BlockLoops kAvx512BlockLoops = {expand_rows<Avx512>, multiply<Avx512>};

}  // namespace quiver::row_loops

#endif
