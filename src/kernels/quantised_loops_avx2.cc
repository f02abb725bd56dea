#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/quantised_loops.h"

#define QUIVER_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace quiver::quantised {
namespace {

// 16 lanes as two registers.
struct Pair {
  __m256 low, high;
};

QUIVER_AVX2 inline Pair load_halves(const std::uint16_t* source) {
  const auto* halves = reinterpret_cast<const __m128i*>(source);
  return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
}

QUIVER_AVX2 inline __m256i broadcast_chunk(const std::int8_t* values) {
  std::int32_t chunk;
  std::memcpy(&chunk, values, sizeof chunk);
  return _mm256_set1_epi32(chunk);
}

// Integer sums of one 8-bit block for kRows inputs. maddubs adds pairs of products in 16 bits, which an
// unsigned q up to 255 would overflow: the products are of |q - 128| <= 128 and the input with q's sign.
template <int kRows>
QUIVER_AVX2 inline void dot_8_bit(const std::uint8_t* quants, const std::int8_t* const* values,
                                  __m256i (*sums)[2]) {
  const __m256i ones = _mm256_set1_epi16(1), flip = _mm256_set1_epi8(-128);
  for (int row = 0; row < kRows; ++row) sums[row][0] = sums[row][1] = _mm256_setzero_si256();
  for (int chunk = 0; chunk < kBlock / kChunk; ++chunk) {
    for (int half = 0; half < 2; ++half) {
      const auto* source = reinterpret_cast<const __m256i*>(quants + chunk * 64 + half * 32);
      const __m256i weight = _mm256_xor_si256(_mm256_load_si256(source), flip);
      const __m256i magnitude = _mm256_abs_epi8(weight);
      for (int row = 0; row < kRows; ++row) {
        const __m256i input = _mm256_sign_epi8(broadcast_chunk(values[row] + chunk * kChunk), weight);
        const __m256i pairs = _mm256_maddubs_epi16(magnitude, input);
        sums[row][half] = _mm256_add_epi32(sums[row][half], _mm256_madd_epi16(pairs, ones));
      }
    }
  }
}

// The same for a 4-bit block: 8 pair sums of at most 2 * 15 * 127 fit in 16 bits.
template <int kRows>
QUIVER_AVX2 inline void dot_4_bit(const std::uint8_t* quants, const std::int8_t* const* values,
                                  __m256i (*sums)[2]) {
  const __m256i ones = _mm256_set1_epi16(1), low_bits = _mm256_set1_epi8(15);
  for (int row = 0; row < kRows; ++row) sums[row][0] = sums[row][1] = _mm256_setzero_si256();
  for (int pair = 0; pair < 4; ++pair) {
    for (int half = 0; half < 2; ++half) {
      const auto* source = reinterpret_cast<const __m256i*>(quants + pair * 64 + half * 32);
      const __m256i packed = _mm256_load_si256(source);
      const __m256i low = _mm256_and_si256(packed, low_bits);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(packed, 4), low_bits);
      for (int row = 0; row < kRows; ++row) {
        const std::int8_t* value = values[row] + 2 * pair * kChunk;
        const __m256i products =
            _mm256_add_epi16(_mm256_maddubs_epi16(low, broadcast_chunk(value)),
                             _mm256_maddubs_epi16(high, broadcast_chunk(value + kChunk)));
        sums[row][half] = _mm256_add_epi16(sums[row][half], products);
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    for (int half = 0; half < 2; ++half) sums[row][half] = _mm256_madd_epi16(sums[row][half], ones);
  }
}

template <int kRows>
QUIVER_AVX2 void multiply_tile(const Panel& panel, const Rows& x, std::int64_t first, float* y,
                               std::int64_t y_stride, Store store) {
  __m256 result[kRows][2];
  for (int row = 0; row < kRows; ++row) result[row][0] = result[row][1] = _mm256_setzero_ps();
  // 8-bit weights were made signed in the dot product.
  const std::int32_t offset = panel.four_bit ? panel.offset : panel.offset + 128;
  for (std::int64_t block = 0; block < x.blocks; ++block) {
    if (first == 0) {  // the first reading of the panel; the next one follows it in memory
      const auto* ahead = reinterpret_cast<const char*>(panel.quants(block)) + kAheadBytes;
      for (std::int64_t line = 0; line < panel.block_bytes(); line += 64)
        _mm_prefetch(ahead + line, _MM_HINT_T0);
    }
    const std::int8_t* values[kRows];
    for (int row = 0; row < kRows; ++row)
      values[row] = x.values + ((first + row) * x.blocks + block) * kBlock;
    __m256i sums[kRows][2];
    if (panel.four_bit) {
      dot_4_bit<kRows>(panel.quants(block), values, sums);
    } else {
      dot_8_bit<kRows>(panel.quants(block), values, sums);
    }
    const Pair scale = load_halves(panel.scales(block));
    for (int row = 0; row < kRows; ++row) {
      const std::int64_t at = (first + row) * x.blocks + block;
      const __m256 x_scale = _mm256_set1_ps(x.scales[at]);
      const __m256i shift = _mm256_set1_epi32(offset * x.sums[at]);
      const __m256 low = _mm256_cvtepi32_ps(_mm256_add_epi32(sums[row][0], shift));
      const __m256 high = _mm256_cvtepi32_ps(_mm256_add_epi32(sums[row][1], shift));
      result[row][0] = _mm256_fmadd_ps(low, _mm256_mul_ps(scale.low, x_scale), result[row][0]);
      result[row][1] = _mm256_fmadd_ps(high, _mm256_mul_ps(scale.high, x_scale), result[row][1]);
    }
    if (!panel.has_minima) continue;
    const Pair minimum = load_halves(panel.minima(block));
    for (int row = 0; row < kRows; ++row) {
      const std::int64_t at = (first + row) * x.blocks + block;
      const __m256 x_sum = _mm256_set1_ps(x.scales[at] * static_cast<float>(x.sums[at]));
      result[row][0] = _mm256_fmadd_ps(minimum.low, x_sum, result[row][0]);
      result[row][1] = _mm256_fmadd_ps(minimum.high, x_sum, result[row][1]);
    }
  }
  for (int row = 0; row < kRows; ++row) {
    float* line = y + (first + row) * y_stride;
    alignas(32) float lanes[kPanelRows];
    _mm256_store_ps(lanes, result[row][0]);
    _mm256_store_ps(lanes + 8, result[row][1]);
    for (std::int32_t i = 0; i < panel.rows; ++i)
      line[i] = store == Store::kAdd ? line[i] + lanes[i] : lanes[i];
  }
}

QUIVER_AVX2 void multiply(const Panel& panel, const Rows& x, float* y, std::int64_t y_stride, Store store) {
  std::int64_t row = 0;
  for (; row + 4 <= x.rows; row += 4) multiply_tile<4>(panel, x, row, y, y_stride, store);
  for (; row < x.rows; ++row) multiply_tile<1>(panel, x, row, y, y_stride, store);
}

QUIVER_AVX2 void round_row(const float* x, std::int64_t width, std::int8_t* values, float* scales,
                           std::int32_t* sums) {
  const __m256i magnitude_bits = _mm256_set1_epi32(0x7fffffff);
  for (std::int64_t begin = 0; begin < width; begin += kBlock, values += kBlock) {
    float padded[kBlock] = {};
    const float* source = x + begin;
    if (width - begin < kBlock) {
      std::copy(source, x + width, padded);
      source = padded;
    }
    __m256 part[4];
    __m256i bits = _mm256_setzero_si256();  // of |x|: the order of the bits, in which NaN is the largest
    for (int i = 0; i < 4; ++i) {
      part[i] = _mm256_loadu_ps(source + 8 * i);
      bits = _mm256_max_epi32(bits, _mm256_and_si256(_mm256_castps_si256(part[i]), magnitude_bits));
    }
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    const auto largest_bits = static_cast<std::uint32_t>(_mm_cvtsi128_si32(four));
    const float largest = _mm_cvtss_f32(_mm_castsi128_ps(four));
    const bool is_zero = largest < kSmallest;
    const __m256 factor = _mm256_set1_ps(is_zero ? 0.0f : 127.0f / largest);
    __m256i whole[4];
    __m256i sum = _mm256_setzero_si256();
    for (int i = 0; i < 4; ++i) {
      whole[i] = _mm256_cvtps_epi32(_mm256_mul_ps(part[i], factor));
      sum = _mm256_add_epi32(sum, whole[i]);
    }
    // Packing works within halves of 128 bits; the permutation puts the groups of 4 back in order.
    const __m256i packed =
        _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values), _mm256_permutevar8x32_epi32(packed, order));
    four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    *scales++ = is_zero ? 0.0f : largest / 127.0f;
    *sums++ = largest_bits < kInfinityBits ? _mm_cvtsi128_si32(four) : 0;
  }
}

}  // namespace

const Loops kAvx2Loops = {round_row, multiply};

}  // namespace quiver::quantised

#endif
