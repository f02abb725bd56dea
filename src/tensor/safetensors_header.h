#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace quiver {

// Where one tensor lies in a safetensors file.
struct SafetensorsEntry {
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // bytes from the start of the data section
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
  std::uint64_t data_start = 0;  // bytes from the start of the file
};

// Reads and validates the header of a whole file: 8 bytes little-endian length, that many bytes of JSON,
// then data that the tensors must fill without a hole, an overlap or a rest
// (https://github.com/huggingface/safetensors, "Format"). Every size is checked against the file before
// anything of that size is allocated. `path` only goes into messages. Throws Error(kCorruptFile,
// kUnsupported) naming the tensor.
SafetensorsHeader parse_safetensors_header(std::string_view file, const std::filesystem::path& path);

}  // namespace quiver
