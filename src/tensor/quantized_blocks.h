#pragma once

#include <cstdint>
#include <vector>

namespace quiver {

// The formats in which Quiver computes with weights as a file has them: half precision, and those of GGML;
// tensor/dequantize.cc has the layouts of the K formats, which come last. Bytes of a block, all numbers
// little-endian; d and m are half-precision.
enum class BlockFormat {
  kF16,   // 32 numbers
  kBF16,  // 32 numbers
  kQ4_0,  // d, 16 bytes of nibbles q: d (q - 8); byte j holds value j (low) and value j + 16
  kQ4_1,  // d, m, 16 bytes of nibbles: d q + m
  kQ5_0,  // d, 4 bytes with the fifth bits, nibbles: d (q - 16)
  kQ5_1,  // d, m, 4 bytes with the fifth bits, nibbles: d q + m
  kQ8_0,  // d, 32 signed bytes: d q
  kQ4_K,  // eight sub-blocks with 6-bit scales s and t: (d s) q - (m t)
  kQ5_K,  // the same
  kQ6_K,  // sixteen runs of 16 values with signed 8-bit scales s: (d s) (q - 32)
};

constexpr int kBlockFormats = 10;
constexpr std::int64_t kBlockWidth = 32;  // values of a block, or of a sub-block of the K formats

// Values in a block: kBlockWidth, or eight times as many.
constexpr std::int64_t block_width(BlockFormat format) {
  return format < BlockFormat::kQ4_K ? kBlockWidth : 8 * kBlockWidth;
}

constexpr std::int64_t block_bytes(BlockFormat format) {
  constexpr std::int64_t kBytes[kBlockFormats] = {64, 64, 18, 20, 22, 24, 34, 144, 176, 210};
  return kBytes[static_cast<int>(format)];
}

// Sub-block `index` of the 12 bytes in which Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit minima.
struct ScaleAndMinimum {
  int scale, minimum;
};
inline ScaleAndMinimum unpack_scale(const std::uint8_t* packed, std::int64_t index) {
  if (index < 4) return {packed[index] & 63, packed[index + 4] & 63};
  return {(packed[index + 4] & 15) | (packed[index - 4] >> 6 << 4),
          (packed[index + 4] >> 4) | (packed[index] >> 6 << 4)};
}

// A matrix (rows, width) in blocks, row after row; width is a multiple of block_width(format).
struct QuantizedBlocks {
  BlockFormat format = BlockFormat::kQ8_0;
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::vector<char> bytes;  // rows * row_bytes()

  std::int64_t row_bytes() const { return width / block_width(format) * block_bytes(format); }
  bool has_halves() const { return format == BlockFormat::kF16 || format == BlockFormat::kBF16; }
};

}  // namespace quiver
