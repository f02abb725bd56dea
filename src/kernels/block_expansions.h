#pragma once

// The blocks of each BlockFormat as float32 in registers: the bits of tensor/dequantize.cc, NaN aside. That
// rounds a product before it adds, and multiply_add does not; but where a format has a sum, the product is
// exact in float32: 11 bits of a scale and 5 of a value in Q4_1 and Q5_1, 11 + 6 and 5 in Q4_K and Q5_K. For
// .cc files of one instruction set each, which define QUIVER_BLOCKS_TARGET, their functions' attribute.

#include <immintrin.h>

#include <cstring>

#include "kernels/vector_registers.h"
#include "tensor/quantized_blocks.h"

namespace quiver::row_loops {

// kBlockWidth values of a row.
template <typename Register>
struct Expanded {
  static constexpr int kRegisters = kBlockWidth / kLanes<Register>;
  typename Register::Lanes lanes[kRegisters];
};

// Eight halves, since the conversion of so many takes them from memory: one half would go through a general
// register. REQUIRES: 16 bytes to read.
typedef float EightFloats __attribute__((vector_size(32)));
QUIVER_BLOCKS_TARGET QUIVER_INLINE EightFloats load_halves(const char* source) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
}

// Number `kIndex` of them in every lane, by one shuffle.
template <typename Register, int kIndex>
QUIVER_BLOCKS_TARGET QUIVER_INLINE typename Register::Lanes spread(const EightFloats& halves) {
  if constexpr (kLanes<Register> == 16)
    return _mm512_permutexvar_ps(_mm512_set1_epi32(kIndex), _mm512_castps256_ps512(halves));
  else
    return _mm256_permutevar8x32_ps(halves, _mm256_set1_epi32(kIndex));
}

template <typename Register>
QUIVER_BLOCKS_TARGET QUIVER_INLINE typename Register::Lanes to_float(
    const typename Register::Indices& integers) {
  typedef float Lanes __attribute__((vector_size(sizeof(integers))));
  return __builtin_convertvector(integers, Lanes);
}

// 0, 1, 2, ...
template <typename Register>
QUIVER_BLOCKS_TARGET QUIVER_INLINE typename Register::Indices count_up() {
  typename Register::Indices result;
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<Register>; ++i) result[i] = i;
  return result;
}

// Lane i: whether bit first + i is set, as 0 or 1.
template <typename Register>
QUIVER_BLOCKS_TARGET QUIVER_INLINE typename Register::Indices spread_bits(std::uint32_t bits, int first) {
  return ((static_cast<int>(bits) - typename Register::Indices{}) >> (count_up<Register>() + first)) & 1;
}

// As many bytes as there are lanes, each as an integer.
template <typename Isa>
QUIVER_BLOCKS_TARGET QUIVER_INLINE typename Isa::Register::Indices load_bytes(const char* source) {
  return reinterpret_cast<typename Isa::Register::Indices>(Isa::widen_unsigned(source));
}
template <typename Isa>
QUIVER_BLOCKS_TARGET QUIVER_INLINE typename Isa::Register::Indices load_signed(const char* source) {
  return reinterpret_cast<typename Isa::Register::Indices>(Isa::widen_signed(source));
}

// Where a register has 16 floats, a nibble chooses among the 16 levels of a block in one of them. Of a
// shuffle's index only the low 4 bits count, so that none is masked.
template <typename Register>
constexpr bool kNibblesChoose = kLanes<Register> == 16;

// kF16 and kBF16.
template <typename Isa, BlockFormat kFormat>
QUIVER_BLOCKS_TARGET QUIVER_INLINE Expanded<typename Isa::Register> expand_halves(const char* block) {
  using Register = typename Isa::Register;
  Expanded<Register> result;
#pragma GCC unroll 4
  for (int i = 0; i < result.kRegisters; ++i) {
    const char* source = block + 2 * i * kLanes<Register>;
    result.lanes[i] = kFormat == BlockFormat::kF16 ? Isa::widen_half(source) : Isa::widen_bfloat16(source);
  }
  return result;
}

template <typename Isa>
QUIVER_BLOCKS_TARGET QUIVER_INLINE Expanded<typename Isa::Register> expand_q8_0(const char* block) {
  using Register = typename Isa::Register;
  Expanded<Register> result;
  const auto scale = spread<Register, 0>(load_halves(block));
#pragma GCC unroll 4
  for (int i = 0; i < result.kRegisters; ++i)
    result.lanes[i] = scale * to_float<Register>(load_signed<Isa>(block + 2 + i * kLanes<Register>));
  return result;
}

// kQ4_0 to kQ5_1.
template <typename Isa, BlockFormat kFormat>
QUIVER_BLOCKS_TARGET QUIVER_INLINE Expanded<typename Isa::Register> expand_nibbles(const char* block) {
  using Register = typename Isa::Register;
  using Lanes = typename Register::Lanes;
  using Indices = typename Register::Indices;
  constexpr bool kHasMinimum = kFormat == BlockFormat::kQ4_1 || kFormat == BlockFormat::kQ5_1;
  constexpr bool kFiveBits = kFormat == BlockFormat::kQ5_0 || kFormat == BlockFormat::kQ5_1;
  Expanded<Register> result;
  const EightFloats halves = load_halves(block);
  const Lanes scale = spread<Register, 0>(halves);
  const char* after_scales = block + (kHasMinimum ? 4 : 2);
  const char* nibbles = after_scales + (kFiveBits ? 4 : 0);
  const auto level = [&](const Indices& q) __attribute__((always_inline)) QUIVER_BLOCKS_TARGET->Lanes {
    if constexpr (kHasMinimum)
      return Isa::multiply_add(scale, to_float<Register>(q), spread<Register, 1>(halves));
    else
      return scale * to_float<Register>(q - (kFiveBits ? 16 : 8));
  };
  if constexpr (kNibblesChoose<Register> && !kFiveBits) {
    const Lanes levels = level(count_up<Register>());
    const Indices bytes = load_bytes<Isa>(nibbles);
    result.lanes[0] = __builtin_shuffle(levels, bytes);
    result.lanes[1] = __builtin_shuffle(levels, bytes >> 4);
  } else {
    constexpr int kHalf = result.kRegisters / 2;
    std::uint32_t bits = 0;
    if constexpr (kFiveBits) std::memcpy(&bits, after_scales, sizeof bits);
#pragma GCC unroll 4
    for (int i = 0; i < result.kRegisters; ++i) {
      const Indices bytes = load_bytes<Isa>(nibbles + i % kHalf * kLanes<Register>);
      Indices q = i < kHalf ? bytes & 15 : bytes >> 4;
      if constexpr (kFiveBits) q |= spread_bits<Register>(bits, i * kLanes<Register>) << 4;
      result.lanes[i] = level(q);
    }
  }
  return result;
}

// Sub-block `sub` of kQ4_K and kQ5_K.
template <typename Isa, BlockFormat kFormat>
QUIVER_BLOCKS_TARGET QUIVER_INLINE Expanded<typename Isa::Register> expand_q45_k(const char* block,
                                                                                 std::int64_t sub) {
  using Register = typename Isa::Register;
  using Lanes = typename Register::Lanes;
  using Indices = typename Register::Indices;
  Expanded<Register> result;
  const auto [scale, minimum] = unpack_scale(reinterpret_cast<const std::uint8_t*>(block) + 4, sub);
  const EightFloats halves = load_halves(block);
  const Lanes factor = halves[0] * static_cast<float>(scale) - Lanes{};
  const Lanes minus_offset = -(halves[1] * static_cast<float>(minimum)) - Lanes{};
  const char* nibbles = block + (kFormat == BlockFormat::kQ4_K ? 16 : 48) + sub / 2 * kBlockWidth;
  const int shift = static_cast<int>(sub % 2 * 4);
  constexpr bool kFromLevels = kNibblesChoose<Register> && kFormat == BlockFormat::kQ4_K;
  const Lanes levels = Isa::multiply_add(factor, to_float<Register>(count_up<Register>()), minus_offset);
#pragma GCC unroll 4
  for (int i = 0; i < result.kRegisters; ++i) {
    Indices q = load_bytes<Isa>(nibbles + i * kLanes<Register>) >> shift;
    if constexpr (kFromLevels) {
      result.lanes[i] = __builtin_shuffle(levels, q);
      continue;
    }
    q &= 15;
    if constexpr (kFormat == BlockFormat::kQ5_K) {
      const Indices high = load_bytes<Isa>(block + 16 + i * kLanes<Register>);
      q |= ((high >> static_cast<int>(sub)) & 1) << 4;
    }
    result.lanes[i] = Isa::multiply_add(factor, to_float<Register>(q), minus_offset);
  }
  return result;
}

template <typename Isa>
QUIVER_BLOCKS_TARGET QUIVER_INLINE Expanded<typename Isa::Register> expand_q6_k(const char* block,
                                                                                std::int64_t sub) {
  using Register = typename Isa::Register;
  using Indices = typename Register::Indices;
  Expanded<Register> result;
  const std::int64_t half = sub / 4;
  const char* nibbles = block + half * 64 + sub % 2 * kBlockWidth;
  const char* high = block + 128 + half * kBlockWidth;
  const int shift = static_cast<int>(sub % 4 / 2 * 4), high_shift = static_cast<int>(sub % 4 * 2);
  const float d = load_halves(block + 194)[7];  // the block's last two bytes
#pragma GCC unroll 4
  for (int i = 0; i < result.kRegisters; ++i) {
    const int first = i * kLanes<Register>;
    const auto scale = static_cast<signed char>(block[192 + sub * 2 + first / 16]);
    const Indices q = ((load_bytes<Isa>(nibbles + first) >> shift) & 15) |
                      (((load_bytes<Isa>(high + first) >> high_shift) & 3) << 4);
    result.lanes[i] = d * static_cast<float>(scale) * to_float<Register>(q - 32);
  }
  return result;
}

// Values sub * kBlockWidth and following of a block of block_width(kFormat).
template <typename Isa, BlockFormat kFormat>
QUIVER_BLOCKS_TARGET QUIVER_INLINE Expanded<typename Isa::Register> expand(const char* block,
                                                                           std::int64_t sub) {
  if constexpr (kFormat == BlockFormat::kF16 || kFormat == BlockFormat::kBF16)
    return expand_halves<Isa, kFormat>(block);
  else if constexpr (kFormat == BlockFormat::kQ8_0)
    return expand_q8_0<Isa>(block);
  else if constexpr (kFormat == BlockFormat::kQ6_K)
    return expand_q6_k<Isa>(block, sub);
  else if constexpr (kFormat == BlockFormat::kQ4_K || kFormat == BlockFormat::kQ5_K)
    return expand_q45_k<Isa, kFormat>(block, sub);
  else
    return expand_nibbles<Isa, kFormat>(block);
}

}  // namespace quiver::row_loops
