#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensor/quantized_blocks.h"

namespace quiver {

// How one GGML element type is stored: blocks of `block_elements` values in `block_bytes` bytes.
struct GgufType {
  std::uint32_t id;
  const char* name;
  std::uint32_t block_elements;
  std::uint32_t block_bytes;
  // Expands `blocks` consecutive blocks to block_elements float32 values each.
  void (*dequantize)(const char* source, std::int64_t blocks, float* target);
  std::optional<BlockFormat> format = {};  // where Quiver computes with the blocks as they are
};

// The type with the number that files use, or null when Quiver cannot read it.
const GgufType* find_gguf_type(std::uint32_t id);

// `blocks` blocks of block_width(format) values, from any alignment, as float32.
void dequantize(BlockFormat format, const char* source, std::int64_t blocks, float* target);

// The field's name of any type number, "number 57" for one that is not known.
std::string gguf_type_name(std::uint32_t id);

}  // namespace quiver
