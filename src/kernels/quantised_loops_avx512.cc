#if defined(__x86_64__)

// GCC 12 warns about its own headers, whose undefined registers are meant to be undefined (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <cstring>

#include "kernels/quantised_loops.h"

#define QUIVER_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")))

namespace quiver::quantised {
namespace {

constexpr int kChunks = kBlock / kChunk;

QUIVER_AVX512 inline __m512 load_halves(const std::uint16_t* source) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
}

// q of one block: a register a chunk, 4 columns of 16 rows each.
template <bool kFourBit>
QUIVER_AVX512 inline void load_quants(const std::uint8_t* quants, __m512i (&weight)[kChunks]) {
  if constexpr (kFourBit) {
    const __m512i low_bits = _mm512_set1_epi8(15);
    for (int pair = 0; pair < kChunks / 2; ++pair) {
      const __m512i packed = _mm512_loadu_si512(quants + pair * 64);
      weight[2 * pair] = _mm512_and_si512(packed, low_bits);
      weight[2 * pair + 1] = _mm512_and_si512(_mm512_srli_epi16(packed, 4), low_bits);
    }
  } else {
    for (int chunk = 0; chunk < kChunks; ++chunk) weight[chunk] = _mm512_loadu_si512(quants + chunk * 64);
  }
}

template <bool kFourBit, bool kMinima, int kRows>
QUIVER_AVX512 void multiply_tile(const Panel& panel, const Rows& x, std::int64_t first, float* y,
                                 std::int64_t y_stride, Store store) {
  __m512 result[kRows];
  for (int row = 0; row < kRows; ++row) result[row] = _mm512_setzero_ps();
  constexpr std::int64_t kQuantBytes = kPanelRows * kBlock / (kFourBit ? 2 : 1);
  constexpr std::int64_t kBlockBytes = kQuantBytes + kPanelRows * (kMinima ? 4 : 2);
  const std::uint8_t* data = panel.data;
  for (std::int64_t block = 0; block < x.blocks; ++block, data += kBlockBytes) {
    if (first == 0) {  // the first reading of the panel; the next one follows it in memory
      for (std::int64_t line = 0; line < kBlockBytes; line += 64)
        _mm_prefetch(reinterpret_cast<const char*>(data + kAheadBytes + line), _MM_HINT_T0);
    }
    __m512i weight[kChunks];
    load_quants<kFourBit>(data, weight);
    const auto* halves = reinterpret_cast<const std::uint16_t*>(data + kQuantBytes);
    const __m512 scale = load_halves(halves);
    __m512 minimum;
    if constexpr (kMinima) minimum = load_halves(halves + kPanelRows);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const std::int64_t at = (first + row) * x.blocks + block;
      const std::int8_t* values = x.values + at * kBlock;
      __m512i sum = _mm512_set1_epi32(panel.offset * x.sums[at]);
#pragma GCC unroll 8
      for (int chunk = 0; chunk < kChunks; ++chunk) {
        std::int32_t four;
        std::memcpy(&four, values + chunk * kChunk, sizeof four);
        sum = _mm512_dpbusd_epi32(sum, weight[chunk], _mm512_set1_epi32(four));
      }
      const __m512 x_scale = _mm512_set1_ps(x.scales[at]);
      result[row] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scale, x_scale), result[row]);
      if constexpr (kMinima) {
        const __m512 x_sum = _mm512_set1_ps(x.scales[at] * static_cast<float>(x.sums[at]));
        result[row] = _mm512_fmadd_ps(minimum, x_sum, result[row]);
      }
    }
  }
  const auto mask = static_cast<__mmask16>((1u << panel.rows) - 1);
  for (int row = 0; row < kRows; ++row) {
    float* line = y + (first + row) * y_stride;
    if (store == Store::kAdd) result[row] = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, line), result[row]);
    _mm512_mask_storeu_ps(line, mask, result[row]);
  }
}

template <bool kFourBit, bool kMinima>
QUIVER_AVX512 void multiply_rows(const Panel& panel, const Rows& x, float* y, std::int64_t y_stride,
                                 Store store) {
  std::int64_t row = 0;
  for (; row + 8 <= x.rows; row += 8) multiply_tile<kFourBit, kMinima, 8>(panel, x, row, y, y_stride, store);
  for (; row + 4 <= x.rows; row += 4) multiply_tile<kFourBit, kMinima, 4>(panel, x, row, y, y_stride, store);
  for (; row < x.rows; ++row) multiply_tile<kFourBit, kMinima, 1>(panel, x, row, y, y_stride, store);
}

QUIVER_AVX512 void multiply(const Panel& panel, const Rows& x, float* y, std::int64_t y_stride, Store store) {
  if (!panel.four_bit) return multiply_rows<false, false>(panel, x, y, y_stride, store);
  if (!panel.has_minima) return multiply_rows<true, false>(panel, x, y, y_stride, store);
  return multiply_rows<true, true>(panel, x, y, y_stride, store);
}

QUIVER_AVX512 void round_row(const float* x, std::int64_t width, std::int8_t* values, float* scales,
                             std::int32_t* sums) {
  const __m512i magnitude_bits = _mm512_set1_epi32(0x7fffffff);
  for (std::int64_t begin = 0; begin < width; begin += kBlock, values += kBlock) {
    const std::int64_t count = width - begin;
    const std::uint32_t mask = count < kBlock ? (1u << count) - 1 : ~0u;
    const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x + begin);
    const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), x + begin + 16);
    // Of |x|: the order of the bits, in which NaN is the largest.
    const __m512i bits = _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(low), magnitude_bits),
                                          _mm512_and_si512(_mm512_castps_si512(high), magnitude_bits));
    const std::uint32_t largest_bits = _mm512_reduce_max_epu32(bits);
    float largest;
    std::memcpy(&largest, &largest_bits, sizeof largest);
    const bool is_zero = largest < kSmallest;
    const __m512 factor = _mm512_set1_ps(is_zero ? 0.0f : 127.0f / largest);
    const __m512i low_whole = _mm512_cvtps_epi32(_mm512_mul_ps(low, factor));
    const __m512i high_whole = _mm512_cvtps_epi32(_mm512_mul_ps(high, factor));
    auto* target = reinterpret_cast<__m128i*>(values);
    _mm_storeu_si128(target, _mm512_cvtsepi32_epi8(low_whole));
    _mm_storeu_si128(target + 1, _mm512_cvtsepi32_epi8(high_whole));
    *scales++ = is_zero ? 0.0f : largest / 127.0f;
    *sums++ =
        largest_bits < kInfinityBits ? _mm512_reduce_add_epi32(_mm512_add_epi32(low_whole, high_whole)) : 0;
  }
}

}  // namespace

const Loops kAvx512VnniLoops = {round_row, multiply};

}  // namespace quiver::quantised

#endif
