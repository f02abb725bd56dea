#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#define QUIVER_BLOCKS_TARGET __attribute__((target("avx2,fma,f16c")))
#include "kernels/block_tiles.h"

namespace quiver::row_loops {
namespace {

QUIVER_BLOCKS_TARGET QUIVER_INLINE __m256 broadcast_half(const char* source) {
  std::uint16_t bits;
  std::memcpy(&bits, source, sizeof bits);
  return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

QUIVER_BLOCKS_TARGET QUIVER_INLINE __m128i load_8_bytes(const char* source) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(source));
}

struct Avx2 {
  using Register = Register8;
  struct Block {
    __m256 parts[4];
  };
  static constexpr int kRows = 8, kColumns = 1;

  template <BlockFormat kFormat>
  QUIVER_BLOCKS_TARGET QUIVER_INLINE static Block expand(const char* block) {
    const __m256 scale = broadcast_half(block);
    Block result;
    if constexpr (kFormat == BlockFormat::kQ8_0) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
        result.parts[i] =
            _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_8_bytes(block + 2 + 8 * i))));
      return result;
    }
    constexpr bool kHasMinimum = kFormat == BlockFormat::kQ4_1;
    const __m256 shift = kHasMinimum ? broadcast_half(block + 2) : _mm256_set1_ps(-8);
    const auto level = [&](__m256i quants) __attribute__((always_inline)) QUIVER_BLOCKS_TARGET {
      const __m256 q = _mm256_cvtepi32_ps(quants);
      return kHasMinimum ? _mm256_add_ps(_mm256_mul_ps(scale, q), shift)
                         : _mm256_mul_ps(scale, _mm256_add_ps(q, shift));
    };
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const __m256i nibbles = _mm256_cvtepu8_epi32(load_8_bytes(block + (kHasMinimum ? 4 : 2) + 8 * i));
      result.parts[i] = level(_mm256_and_si256(nibbles, _mm256_set1_epi32(15)));
      result.parts[i + 2] = level(_mm256_srli_epi32(nibbles, 4));
    }
    return result;
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
