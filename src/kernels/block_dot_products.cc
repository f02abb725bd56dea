#include "kernels/block_dot_products.h"

#include <algorithm>
#include <cstring>

#include "core/check.h"
#include "kernels/sum_lanes.h"

#if defined(__x86_64__)

// GCC 12 warns about its own headers, whose undefined registers are meant to be undefined (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#define QUIVER_TARGET __attribute__((target("avx512f,fma,f16c")))

// Compiled with -ffp-contract=off: a level's product and sum are rounded one by one, as they are when a
// file is read (dequantise.cc, compiled so as well).
namespace quiver::row_loops {
namespace {

constexpr std::int64_t kAheadBytes = 4096;  // between what is used and what is fetched

// The 32 values of a block.
struct Expanded {
  __m512 low, high;
};

QUIVER_TARGET QUIVER_INLINE __m128 load_halves(const char* source) {  // two of them
  std::int32_t bits;
  std::memcpy(&bits, source, sizeof bits);
  return _mm_cvtph_ps(_mm_cvtsi32_si128(bits));
}

QUIVER_TARGET QUIVER_INLINE __m128i load_bytes(const char* source) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
}

// The nibbles choose among 16 levels; of an index only the low 4 bits count, so none is masked.
QUIVER_TARGET QUIVER_INLINE Expanded choose(const __m512& levels, const char* nibbles) {
  const __m512i quants = _mm512_cvtepu8_epi32(load_bytes(nibbles));
  return {_mm512_permutexvar_ps(quants, levels), _mm512_permutexvar_ps(_mm512_srli_epi32(quants, 4), levels)};
}

template <BlockFormat kFormat>
QUIVER_TARGET QUIVER_INLINE Expanded expand(const char* block) {
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

// Some columns of the weight, and where their results go.
struct Columns {
  const char* weight;
  std::int64_t row_bytes, blocks, column;
};

// The products of M rows of x with N rows of the weight, each in its own register.
template <BlockFormat kFormat, int M, int N>
QUIVER_TARGET QUIVER_INLINE void tile(const float* const* x, const Columns& columns, bool fetches,
                                      float* const* out) {
  using Lanes = Register16::Lanes;
  Lanes sum[M * N];
#pragma GCC unroll 16
  for (int k = 0; k < M * N; ++k) sum[k] = Lanes{};
  for (std::int64_t block = 0; block < columns.blocks; ++block) {
    Expanded w[N];
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) {
      const char* bytes = columns.weight + n * columns.row_bytes + block * block_bytes(kFormat);
      if (fetches) _mm_prefetch(bytes + kAheadBytes, _MM_HINT_T0);
      w[n] = expand<kFormat>(bytes);
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const __m512 low = _mm512_loadu_ps(x[m] + block * kBlockWidth);
      const __m512 high = _mm512_loadu_ps(x[m] + block * kBlockWidth + kBlockWidth / 2);
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) {
        Lanes& place = sum[m * N + n];
        place = _mm512_fmadd_ps(high, w[n].high, _mm512_fmadd_ps(low, w[n].low, place));
      }
    }
  }
  sum_lanes<Register16, M * N>(sum);
#pragma GCC unroll 16
  for (int k = 0; k < M * N; ++k) out[k / N][columns.column + k % N] = sum[0][k];
}

// All rows of x against N columns, in groups of M, whose first fetches ahead. A last group that is smaller,
// but larger than M / 2, takes its last row several times.
template <BlockFormat kFormat, int M, int N>
QUIVER_TARGET QUIVER_INLINE void all_rows(const float* const* x, std::int64_t rows, const Columns& columns,
                                          bool fetches, float* const* out) {
  for (; rows >= M; rows -= M, x += M, out += M, fetches = false)
    tile<kFormat, M, N>(x, columns, fetches, out);
  if constexpr (M > 1) {
    if (rows > M / 2) {
      const float* x_rows[M];
      float* out_rows[M];
      for (std::int64_t m = 0; m < M; ++m) {
        x_rows[m] = x[std::min(m, rows - 1)];
        out_rows[m] = out[std::min(m, rows - 1)];
      }
      tile<kFormat, M, N>(x_rows, columns, fetches, out_rows);
    } else if (rows > 0) {
      all_rows<kFormat, M / 2, N>(x, rows, columns, fetches, out);
    }
  }
}

template <BlockFormat kFormat>
QUIVER_TARGET void all_columns(const float* const* x, std::int64_t rows, const BlockRows& weight,
                               float* const* out, std::int64_t first_column) {
  const std::int64_t blocks = weight.width / kBlockWidth, row_bytes = blocks * block_bytes(kFormat);
  const auto columns_from = [&](std::int64_t column) {
    return Columns{weight.bytes + column * row_bytes, row_bytes, blocks, first_column + column};
  };
  std::int64_t column = 0;
  for (; column + 2 <= weight.columns; column += 2)
    all_rows<kFormat, 8, 2>(x, rows, columns_from(column), true, out);
  if (column < weight.columns) all_rows<kFormat, 8, 1>(x, rows, columns_from(column), true, out);
}

}  // namespace

bool has_block_dot_products() {
  static const bool answer = has_avx512() && __builtin_cpu_supports("f16c");
  return answer;
}

void block_dot_products(const float* const* x, std::int64_t rows, const BlockRows& weight, float* const* out,
                        std::int64_t first_column) {
  switch (weight.format) {
    case BlockFormat::kQ4_0:
      return all_columns<BlockFormat::kQ4_0>(x, rows, weight, out, first_column);
    case BlockFormat::kQ4_1:
      return all_columns<BlockFormat::kQ4_1>(x, rows, weight, out, first_column);
    case BlockFormat::kQ8_0:
      return all_columns<BlockFormat::kQ8_0>(x, rows, weight, out, first_column);
  }
}

}  // namespace quiver::row_loops

#else

namespace quiver::row_loops {

bool has_block_dot_products() { return false; }

void block_dot_products(const float* const*, std::int64_t, const BlockRows&, float* const*, std::int64_t) {
  QUIVER_CHECK(false, "not an x86-64 processor");
}

}  // namespace quiver::row_loops

#endif
