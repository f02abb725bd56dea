#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "tensor/pickle.h"
#include "tensor/torch_archive.h"

namespace quiver {

// A file of torch.save before version 1.6, or with _use_new_zipfile_serialization=False: five pickles (magic
// number, version, machine, value, storage keys), then for each key a 64-bit count and the storage's bytes.
class TorchLegacyFile : public TorchStorages {
 public:
  static bool is_legacy(std::string_view bytes);

  // Keeps a view of `bytes`. Throws Error(kCorruptFile), kUnsupported for another version or byte order.
  TorchLegacyFile(std::string_view bytes, const std::filesystem::path& path);

  const Pickle& pickle() const { return pickle_; }
  at::Tensor read(const std::string& key) override;

 private:
  void find_storages(std::string_view rest, const Pickle& keys);

  std::filesystem::path path_;
  Pickle pickle_;
  std::map<std::string, std::string_view, std::less<>> storages_;
};

}  // namespace quiver
