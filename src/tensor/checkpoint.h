#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tensor/safetensors.h"

namespace quiver {

// The tensors of a Hugging Face model directory: `model.safetensors`, or the shards that
// `model.safetensors.index.json` lists. Thread-safe.
class Checkpoint {
 public:
  // Opens every shard and checks that it has the tensors the index gives it. Throws Error(kNotFound,
  // kIo, kCorruptFile, kUnsupported).
  static Checkpoint open(const std::filesystem::path& directory);

  std::vector<std::string> names() const;  // sorted
  bool contains(const std::string& name) const;

  // Throws Error(kNotFound) naming the tensor and the directory.
  at::ScalarType dtype(const std::string& name) const;

  // As SafetensorsFile::read. Throws Error(kNotFound) naming the tensor and the directory.
  at::Tensor read(const std::string& name) const;

 private:
  const SafetensorsFile& shard_with(const std::string& name) const;

  std::filesystem::path directory_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, std::size_t> shard_of_;  // tensor name -> index into shards_
};

}  // namespace quiver
