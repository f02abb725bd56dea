#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/mapped_file.h"
#include "tensor/safetensors_header.h"

namespace quiver {

// A safetensors file, memory-mapped read-only. Copies share the mapping. Thread-safe.
class SafetensorsFile {
 public:
  // Validates the whole header. Throws Error(kNotFound, kIo, kCorruptFile, kUnsupported).
  static SafetensorsFile open(const std::filesystem::path& path);

  std::vector<std::string> names() const;  // sorted
  bool contains(const std::string& name) const;

  // Of one tensor. Throw Error(kNotFound) naming the tensor and the file.
  std::vector<std::int64_t> shape(const std::string& name) const;
  at::ScalarType dtype(const std::string& name) const;

  // A CPU tensor of the file's shape and dtype, copied out of the file: the caller owns it. Throws
  // Error(kNotFound), and Error(kCorruptFile) for a boolean that is neither 0 nor 1.
  at::Tensor read(const std::string& name) const;

  // The file's "__metadata__".
  const std::map<std::string, std::string>& metadata() const;

 private:
  struct Content {
    explicit Content(const std::filesystem::path& path);
    MappedFile file;
    SafetensorsHeader header;
  };

  explicit SafetensorsFile(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  const SafetensorsEntry& entry(const std::string& name) const;

  std::shared_ptr<const Content> content_;
};

// Writes tensors, on any device and of any stride, as a safetensors file; the file appears whole or not at
// all. The bytes depend on the content only and are those the safetensors library writes: tensors by
// falling alignment, then name, header padded with spaces to 8 bytes; metadata keys sorted. Throws
// Error(kIo), Error(kUnsupported) for an element type without a name in the format and
// Error(kInvalidArgument) for a name or metadata text that is not valid UTF-8, contains NUL or is
// "__metadata__".
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace quiver
