#pragma once

#include <filesystem>

#include "core/files.h"
#include "storage/layout.h"
#include "storage/write_lock.h"

namespace quiver {

// A writer's turn at a library: the lock, and a clean folder on the library's own file system to prepare a
// change in. Throws Error(kIo) when the library cannot be written.
class WriteTurn {
 public:
  explicit WriteTurn(const std::filesystem::path& root) : lock_(root), stage_(clean_stage(root)) {}
  const std::filesystem::path& stage() const { return stage_.path(); }

 private:
  static std::filesystem::path clean_stage(const std::filesystem::path& root) {
    clean_staging(root);
    return root / kStagingFolder;
  }

  // In this order: the stage is emptied while the lock still holds.
  WriteLock lock_;
  TemporaryDirectory stage_;
};

}  // namespace quiver
