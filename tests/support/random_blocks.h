#pragma once

#include <cstring>

#include "support/tensors.h"
#include "tensor/gguf_type.h"
#include "tensor/quantize.h"

namespace quiver::test {

// Random halves; or blocks of random bytes, with scales and minima of size 0.01 .. 0.1.
inline QuantizedBlocks random_blocks(BlockFormat format, std::int64_t rows, std::int64_t width,
                                     std::uint64_t seed) {
  if (format == BlockFormat::kF16 || format == BlockFormat::kBF16)
    return *blocks_of_halves(
        random_tensor({rows, width}, seed).to(format == BlockFormat::kF16 ? at::kHalf : at::kBFloat16));
  QuantizedBlocks blocks{format, rows, width, {}};
  const std::int64_t count = rows * blocks.row_bytes();
  const at::Tensor bytes = at::randint(0, 256, {count}, at::detail::createCPUGenerator(seed)).to(at::kByte);
  blocks.bytes.assign(static_cast<const char*>(bytes.const_data_ptr()),
                      static_cast<const char*>(bytes.const_data_ptr()) + count);
  const at::Tensor halves =
      (random_tensor({rows * width / block_width(format), 2}, seed + 1).abs() * 0.03 + 0.01).to(at::kHalf);
  const bool has_minimum = format == BlockFormat::kQ4_1 || format == BlockFormat::kQ5_1 ||
                           format == BlockFormat::kQ4_K || format == BlockFormat::kQ5_K;
  for (std::int64_t i = 0; i < halves.size(0); ++i) {
    char* block = blocks.bytes.data() + i * block_bytes(format);
    std::memcpy(block + (format == BlockFormat::kQ6_K ? 208 : 0), halves[i].const_data_ptr(),
                has_minimum ? 4 : 2);
  }
  return blocks;
}

// Their values as a file's reader gives them: (rows, width) float32.
inline at::Tensor dequantized(const QuantizedBlocks& blocks) {
  at::Tensor result = at::empty({blocks.rows, blocks.width});
  dequantize(blocks.format, blocks.bytes.data(), result.numel() / block_width(blocks.format),
             result.mutable_data_ptr<float>());
  return result;
}

}  // namespace quiver::test
