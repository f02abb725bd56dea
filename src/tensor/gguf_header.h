#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace quiver {

// The value types of GGUF metadata, with the format's numbers.
enum class GgufValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// One validated metadata value, still as the file's bytes: for an array the elements one after the other, for
// a string its length and text. Decoded when asked for, so that a large vocabulary costs nothing to skip.
struct GgufValue {
  GgufValueType type = GgufValueType::kUint8;  // of the value, or of an array's elements; never kArray
  bool is_array = false;
  std::uint64_t count = 1;
  std::string_view bytes;  // into the file
};

struct GgufEntry {
  std::uint32_t type = 0;           // GGML type number, perhaps one that Quiver cannot read
  std::vector<std::int64_t> shape;  // row-major: the file's dimensions reversed
  std::uint64_t begin = 0;          // bytes from the start of the file
  std::uint64_t bytes = 0;          // 0 for a type that Quiver cannot read
};

struct GgufHeader {
  std::map<std::string, GgufValue> values;
  std::map<std::string, GgufEntry> entries;
};

// Reads and validates the header of a whole GGUF file, version 2 or 3, little-endian
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). The result refers to `file`. Every count,
// length, product and offset is checked against the file before anything of that size is allocated; tensors
// must be aligned and follow each other without overlap, in the order of their descriptions. `path` only goes
// into messages. Throws Error(kCorruptFile, kUnsupported).
GgufHeader parse_gguf_header(std::string_view file, const std::filesystem::path& path);

// The name of a value type for messages: "uint32", "array of string".
std::string gguf_value_type_name(const GgufValue& value);

}  // namespace quiver
