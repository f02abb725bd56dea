#pragma once

// The loops of block_products.h, for one .cc file an instruction set, which defines QUIVER_BLOCKS_TARGET
// (its functions' attribute) before it includes this, and hands in a struct with
//   Register               of vector_registers.h
//   widen_unsigned(p), widen_signed(p)  as many bytes as there are lanes, each as an integer
//   widen_half(p), widen_bfloat16(p)    as many such numbers, as float32
//   multiply_add(a, b, c)  a b + c, rounded once
//   kRows, kColumns        the tile whose sums the registers hold

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/block_expansions.h"
#include "kernels/block_products.h"
#include "kernels/sum_lanes.h"

namespace quiver::row_loops {

constexpr std::int64_t kAheadBytes = 4096;  // between what is used and what is fetched

// Some columns of the weight, and where their results go.
struct Columns {
  const char* weight;
  std::int64_t row_bytes, blocks;  // of block_width()
  std::int64_t column;
};

// The products of M rows of x with N rows of the weight, each in its own register.
template <typename Isa, BlockFormat kFormat, int M, int N>
QUIVER_BLOCKS_TARGET QUIVER_INLINE void tile(const float* const* x, const Columns& columns, bool fetches,
                                             float* const* out) {
  using Register = typename Isa::Register;
  using Lanes = typename Register::Lanes;
  constexpr std::int64_t kSubBlocks = block_width(kFormat) / kBlockWidth;
  Lanes sum[M * N];
#pragma GCC unroll 16
  for (int k = 0; k < M * N; ++k) sum[k] = Lanes{};
  for (std::int64_t block = 0; block < columns.blocks; ++block) {
    const char* row = columns.weight + block * block_bytes(kFormat);
    const std::int64_t first = block * block_width(kFormat);
#pragma GCC unroll 8
    for (std::int64_t sub = 0; sub < kSubBlocks; ++sub) {
      Expanded<Register> w[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) {
        const char* source = row + n * columns.row_bytes;
        if (fetches) __builtin_prefetch(source + sub * block_bytes(kFormat) / kSubBlocks + kAheadBytes);
        w[n] = expand<Isa, kFormat>(source, sub);
      }
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int i = 0; i < kBlockWidth / kLanes<Register>; ++i) {
          const float* values = x[m] + first + sub * kBlockWidth + i * kLanes<Register>;
          const Lanes x_lanes = *reinterpret_cast<const Lanes*>(values);
#pragma GCC unroll 4
          for (int n = 0; n < N; ++n)
            sum[m * N + n] = Isa::multiply_add(x_lanes, w[n].lanes[i], sum[m * N + n]);
        }
      }
    }
  }
  sum_lanes<Register, M * N>(sum);
#pragma GCC unroll 16
  for (int k = 0; k < M * N; ++k) out[k / N][columns.column + k % N] = sum[0][k];
}

// All rows of x against N columns, in groups of M, whose first fetches ahead. A last group that is smaller,
// but larger than M / 2, takes its last row several times.
template <typename Isa, BlockFormat kFormat, int M, int N>
QUIVER_BLOCKS_TARGET QUIVER_INLINE void all_rows(const float* const* x, std::int64_t rows,
                                                 const Columns& columns, bool fetches, float* const* out) {
  for (; rows >= M; rows -= M, x += M, out += M, fetches = false)
    tile<Isa, kFormat, M, N>(x, columns, fetches, out);
  if constexpr (M > 1) {
    if (rows > M / 2) {
      const float* x_rows[M];
      float* out_rows[M];
      for (std::int64_t m = 0; m < M; ++m) {
        x_rows[m] = x[std::min(m, rows - 1)];
        out_rows[m] = out[std::min(m, rows - 1)];
      }
      tile<Isa, kFormat, M, N>(x_rows, columns, fetches, out_rows);
    } else if (rows > 0) {
      all_rows<Isa, kFormat, M / 2, N>(x, rows, columns, fetches, out);
    }
  }
}

// All columns in groups of N.
template <typename Isa, BlockFormat kFormat, int M, int N>
QUIVER_BLOCKS_TARGET void all_columns(const float* const* x, std::int64_t rows, const BlockRows& weight,
                                      float* const* out, std::int64_t first_column) {
  const std::int64_t blocks = weight.width / block_width(kFormat), row_bytes = blocks * block_bytes(kFormat);
  const auto columns_from = [&](std::int64_t column) {
    return Columns{weight.bytes + column * row_bytes, row_bytes, blocks, first_column + column};
  };
  std::int64_t column = 0;
  for (; column + N <= weight.columns; column += N)
    all_rows<Isa, kFormat, M, N>(x, rows, columns_from(column), true, out);
  for (; column < weight.columns; ++column)
    all_rows<Isa, kFormat, M, 1>(x, rows, columns_from(column), true, out);
}

// Sums of few rows wait for one another, unless there are more columns to sum up meanwhile.
template <typename Isa, BlockFormat kFormat>
QUIVER_BLOCKS_TARGET void multiply_format(const float* const* x, std::int64_t rows, const BlockRows& weight,
                                          float* const* out, std::int64_t first_column) {
  if (rows <= 2)
    all_columns<Isa, kFormat, 2, 4>(x, rows, weight, out, first_column);
  else
    all_columns<Isa, kFormat, Isa::kRows, Isa::kColumns>(x, rows, weight, out, first_column);
}

template <typename Isa, BlockFormat kFormat>
QUIVER_BLOCKS_TARGET void expand_columns(const BlockRows& weight, float* target) {
  using Register = typename Isa::Register;
  constexpr std::int64_t kSubBlocks = block_width(kFormat) / kBlockWidth;
  const std::int64_t blocks = weight.columns * weight.width / kBlockWidth;
  for (std::int64_t block = 0; block < blocks; ++block, target += kBlockWidth) {
    const auto values =
        expand<Isa, kFormat>(weight.bytes + block / kSubBlocks * block_bytes(kFormat), block % kSubBlocks);
#pragma GCC unroll 4
    for (int i = 0; i < kBlockWidth / kLanes<Register>; ++i)
      *reinterpret_cast<typename Register::Lanes*>(target + i * kLanes<Register>) = values.lanes[i];
  }
}

// The functions for a format are at its number.
template <typename Isa, std::size_t... kFormats>
constexpr auto multiply_functions(std::index_sequence<kFormats...>) {
  return std::array{&multiply_format<Isa, static_cast<BlockFormat>(kFormats)>...};
}
template <typename Isa, std::size_t... kFormats>
constexpr auto expand_functions(std::index_sequence<kFormats...>) {
  return std::array{&expand_columns<Isa, static_cast<BlockFormat>(kFormats)>...};
}
using FormatNumbers = std::make_index_sequence<kBlockFormats>;

template <typename Isa>
void multiply(const float* const* x, std::int64_t rows, const BlockRows& weight, float* const* out,
              std::int64_t first_column) {
  constexpr auto kFunctions = multiply_functions<Isa>(FormatNumbers());
  kFunctions[static_cast<std::size_t>(weight.format)](x, rows, weight, out, first_column);
}

template <typename Isa>
void expand_rows(const BlockRows& weight, float* target) {
  constexpr auto kFunctions = expand_functions<Isa>(FormatNumbers());
  kFunctions[static_cast<std::size_t>(weight.format)](weight, target);
}

}  // namespace quiver::row_loops
