#if defined(__x86_64__)

// GCC 12 warns about its own headers, whose undefined registers are meant to be undefined (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <cstring>

#define QUIVER_BLOCKS_TARGET __attribute__((target("avx512f,avx2,fma,f16c")))
#include "kernels/block_tiles.h"

namespace quiver::row_loops {
namespace {

QUIVER_BLOCKS_TARGET QUIVER_INLINE __m128 load_halves(const char* source) {  // two of them
  std::int32_t bits;
  std::memcpy(&bits, source, sizeof bits);
  return _mm_cvtph_ps(_mm_cvtsi32_si128(bits));
}

QUIVER_BLOCKS_TARGET QUIVER_INLINE __m128i load_bytes(const char* source) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
}

struct Avx512 {
  using Register = Register16;
  struct Block {
    __m512 parts[2];
  };
  static constexpr int kRows = 8, kColumns = 2;

  template <BlockFormat kFormat>
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static Block expand(const char* block) {
    const __m128 halves = load_halves(block);
    const __m512 scale = _mm512_broadcastss_ps(halves);
    if constexpr (kFormat == BlockFormat::kQ8_0) {
      const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_bytes(block + 2)));
      const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_bytes(block + 18)));
      return {_mm512_mul_ps(scale, low), _mm512_mul_ps(scale, high)};
    }
    const __m512 quants = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    if constexpr (kFormat == BlockFormat::kQ4_0)
      return choose(_mm512_mul_ps(scale, _mm512_sub_ps(quants, _mm512_set1_ps(8))), block + 2);
    const __m512 minimum = _mm512_broadcastss_ps(_mm_movehdup_ps(halves));
    return choose(_mm512_add_ps(_mm512_mul_ps(scale, quants), minimum), block + 4);
  }

  QUIVER_BLOCKS_TARGET QUIVER_INLINE static __m512 multiply_add(__m512 a, __m512 b, __m512 c) {
    return _mm512_fmadd_ps(a, b, c);
  }

 private:
  // The nibbles choose among 16 levels; of an index only the low 4 bits count, so none is masked.
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static Block choose(const __m512& levels, const char* nibbles) {
    const __m512i quants = _mm512_cvtepu8_epi32(load_bytes(nibbles));
    return {_mm512_permutexvar_ps(quants, levels),
            _mm512_permutexvar_ps(_mm512_srli_epi32(quants, 4), levels)};
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
