#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tensor/gguf_header.h"
#include "tensor/mapped_file.h"
#include "tensor/quantized_blocks.h"

namespace quiver {

// A GGUF model file, memory-mapped read-only. Copies share the mapping. Thread-safe.
class GgufFile {
 public:
  // Validates the whole header. Throws Error(kNotFound, kIo, kCorruptFile, kUnsupported).
  static GgufFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return content_->file.path(); }

  // Metadata. The getters throw Error(kCorruptFile) naming key and file when the key is absent or holds
  // another type; the ones with a fallback use it for an absent key only.
  bool has(const std::string& key) const;
  std::vector<std::string> keys() const;  // sorted
  bool is_array(const std::string& key) const;
  std::int64_t integer(const std::string& key) const;  // any integer type or bool
  std::int64_t integer_or(const std::string& key, std::int64_t fallback) const;
  double number(const std::string& key) const;     // any integer or floating-point type
  std::string text(const std::string& key) const;  // bytes as in the file, perhaps not valid UTF-8
  std::string text_or(const std::string& key, const std::string& fallback) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<std::int32_t> integers(const std::string& key) const;  // each must fit in 32 bits
  std::vector<double> numbers(const std::string& key) const;         // of any integer or floating-point type

  // Tensors. The getters throw Error(kNotFound) naming the tensor and the file.
  std::vector<std::string> names() const;  // sorted
  bool contains(const std::string& name) const;
  std::vector<std::int64_t> shape(const std::string& name) const;  // row-major: (out, in)
  std::string type_name(const std::string& name) const;            // "Q4_1"

  // A CPU tensor of shape(name), dequantized to float32 on the threads of at::parallel_for; the caller owns
  // it. Throws also Error(kUnsupported) naming the type and the tensor when Quiver cannot read the type.
  at::Tensor read(const std::string& name) const;

  // The blocks of a matrix in a BlockFormat, as they are in the file; nothing for any other tensor, nor for
  // rows of F16 or BF16 that end within a block.
  std::optional<QuantizedBlocks> read_blocks(const std::string& name) const;

 private:
  struct Content {
    explicit Content(const std::filesystem::path& path);
    MappedFile file;
    GgufHeader header;
  };

  explicit GgufFile(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  const GgufValue& value(const std::string& key) const;
  const GgufEntry& entry(const std::string& name) const;
  [[noreturn]] void throw_wrong_type(const std::string& key, const std::string& wanted) const;

  std::shared_ptr<const Content> content_;
};

}  // namespace quiver
