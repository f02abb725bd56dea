#pragma once

#include <string>
#include <vector>

#include "tensor/byte_builder.h"

namespace quiver::test {

struct GgufTensorText {
  std::string name;
  std::vector<std::uint64_t> dimensions;  // the file's order: fastest first
  std::uint32_t type;
  std::uint64_t offset;
};

inline std::string gguf_tensor(const GgufTensorText& tensor) {
  ByteBuilder bytes;
  bytes.text(tensor.name).u32(static_cast<std::uint32_t>(tensor.dimensions.size()));
  for (const std::uint64_t dimension : tensor.dimensions) bytes.u64(dimension);
  return bytes.u32(tensor.type).u64(tensor.offset).bytes();
}

template <typename Number>
std::string gguf_value(std::string_view key, std::uint32_t type, Number value) {
  return ByteBuilder().text(key).u32(type).number(value).bytes();
}

inline std::string gguf_text(std::string_view key, std::string_view value) {
  return ByteBuilder().text(key).u32(8).text(value).bytes();
}

// A GGUF file of version 3 from encoded values and tensors, and `data` zero bytes at alignment 32.
inline std::string gguf_bytes(const std::vector<std::string>& values, const std::vector<std::string>& tensors,
                              std::size_t data) {
  ByteBuilder bytes;
  bytes.raw("GGUF").u32(3).u64(tensors.size()).u64(values.size());
  for (const std::string& value : values) bytes.raw(value);
  for (const std::string& tensor : tensors) bytes.raw(tensor);
  return bytes.pad_to(32).zeros(data).bytes();
}

}  // namespace quiver::test
