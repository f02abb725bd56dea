#include "kernels/transpose.h"

#include <algorithm>
#include <utility>

#include "kernels/vector_registers.h"

namespace quiver {
namespace {

// Exchanges the elements (i, j + Run) and (i + Run, j) of two rows of a square, for all j without that bit.
template <typename Register, int Run, int... J>
QUIVER_INLINE void exchange(typename Register::Lanes& upper, typename Register::Lanes& lower,
                            std::integer_sequence<int, J...>) {
  using Indices = typename Register::Indices;
  const typename Register::Lanes above = upper;
  upper = __builtin_shuffle(above, lower, Indices{(J & Run) ? kLanes<Register> + J - Run : J...});
  lower = __builtin_shuffle(above, lower, Indices{(J & Run) ? kLanes<Register> + J : J + Run...});
}

// A square of as many rows as a register has lanes: halves exchanged, then the halves of the halves.
template <typename Register, int Run = kLanes<Register> / 2>
QUIVER_INLINE void transpose_square(typename Register::Lanes* row) {
  if constexpr (Run > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<Register>; ++i) {
      if ((i & Run) == 0)
        exchange<Register, Run>(row[i], row[i + Run], std::make_integer_sequence<int, kLanes<Register>>());
    }
    transpose_square<Register, Run / 2>(row);
  }
}

template <typename Register>
QUIVER_INLINE void transpose_all(const float* from, std::int64_t from_stride, std::int64_t rows,
                                 std::int64_t columns, float* to, std::int64_t to_stride) {
  using Lanes = typename Register::Lanes;
  constexpr std::int64_t kSide = kLanes<Register>;
  for (std::int64_t row = 0; row < rows; row += kSide) {
    for (std::int64_t column = 0; column < columns; column += kSide) {
      if (row + kSide <= rows && column + kSide <= columns) {
        Lanes square[kSide];
#pragma GCC unroll 16
        for (std::int64_t i = 0; i < kSide; ++i)
          square[i] = *reinterpret_cast<const Lanes*>(from + (row + i) * from_stride + column);
        transpose_square<Register>(square);
#pragma GCC unroll 16
        for (std::int64_t i = 0; i < kSide; ++i)
          *reinterpret_cast<Lanes*>(to + (column + i) * to_stride + row) = square[i];
        continue;
      }
      for (std::int64_t r = row; r < std::min(rows, row + kSide); ++r) {
        for (std::int64_t c = column; c < std::min(columns, column + kSide); ++c)
          to[c * to_stride + r] = from[r * from_stride + c];
      }
    }
  }
}

#if defined(__x86_64__)
QUIVER_AVX512
void transpose_avx512(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns,
                      float* to, std::int64_t to_stride) {
  transpose_all<Register16>(from, from_stride, rows, columns, to, to_stride);
}
#endif

QUIVER_AVX2
void transpose_avx2(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns,
                    float* to, std::int64_t to_stride) {
  transpose_all<Register8>(from, from_stride, rows, columns, to, to_stride);
}

}  // namespace

void transpose(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns,
               float* to, std::int64_t to_stride) {
#if defined(__x86_64__)
  if (has_avx512()) return transpose_avx512(from, from_stride, rows, columns, to, to_stride);
#endif
  transpose_avx2(from, from_stride, rows, columns, to, to_stride);
}

}  // namespace quiver
