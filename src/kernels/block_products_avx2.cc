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
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m256 widen_half(const char* source) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
  }
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m256 widen_bfloat16(const char* source) {
    const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
  }
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m256 multiply_add(__m256 a, __m256 b, __m256 c) {
    return _mm256_fmadd_ps(a, b, c);
  }
};

}  // namespace

const BlockLoops kAvx2BlockLoops = {expand_rows<Avx2>, multiply<Avx2>};

}  // namespace quiver::row_loops

#endif
