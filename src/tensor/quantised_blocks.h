#pragma once

#include <cstdint>
#include <vector>

namespace quiver {

// The GGML block formats that Quiver computes with as they are: 32 values of a row share a half-precision
// scale d, in Q4_1 also a minimum m. Bytes of a block, all numbers little-endian:
enum class BlockFormat {
  kQ4_0,  // d, 16 bytes of nibbles q: d (q - 8); byte j holds value j (low) and value j + 16
  kQ4_1,  // d, m, 16 bytes of nibbles: d q + m
  kQ8_0,  // d, 32 signed bytes: d q
};

constexpr std::int64_t kBlockWidth = 32;

constexpr std::int64_t block_bytes(BlockFormat format) {
  return format == BlockFormat::kQ4_0 ? 18 : format == BlockFormat::kQ4_1 ? 20 : 34;
}

// A matrix (rows, width) in blocks, row after row; width is a multiple of kBlockWidth.
struct QuantisedBlocks {
  BlockFormat format = BlockFormat::kQ8_0;
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::vector<char> bytes;  // rows * row_bytes()

  std::int64_t row_bytes() const { return width / kBlockWidth * block_bytes(format); }
  bool four_bit() const { return format != BlockFormat::kQ8_0; }
};

}  // namespace quiver
