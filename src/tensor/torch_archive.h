#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace quiver {

// Where the storages of a torch.save file lie.
class TorchStorages {
 public:
  virtual ~TorchStorages() = default;
  // All bytes of one storage, (bytes) uint8. Sizes are checked against the file before memory is taken.
  // Throws Error(kCorruptFile) naming the storage.
  virtual at::Tensor read(const std::string& key) = 0;
};

// The zip archive of torch.save since version 1.6, read by LibTorch's own reader. Not thread-safe.
class TorchArchive : public TorchStorages {
 public:
  // Whether a file begins as a zip archive does.
  static bool is_archive(std::string_view bytes) { return bytes.starts_with("PK\3\4"); }

  // Throws Error(kCorruptFile) for a damaged archive or one without a pickle, kUnsupported for a TorchScript
  // program and for big-endian data.
  TorchArchive(const std::filesystem::path& path, std::uint64_t file_bytes);
  ~TorchArchive() override;

  std::string pickle();
  at::Tensor read(const std::string& key) override;

 private:
  struct Reader;

  at::Tensor read_record(const std::string& name);
  std::string read_text(const std::string& name);
  bool has_record(const std::string& name);

  std::filesystem::path path_;
  std::uint64_t bytes_left_;  // all records together are no larger than the file: they are not compressed
  std::unique_ptr<Reader> reader_;
};

}  // namespace quiver
