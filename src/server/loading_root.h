#pragma once

#include <filesystem>
#include <string>

namespace quiver {

// The folder below which requests may name adapters. Immutable; thread-safe.
class LoadingRoot {
 public:
  // Throws Error(kNotFound) unless it is a folder.
  explicit LoadingRoot(const std::filesystem::path& folder);

  // The adapter's folder: absolute, or from the root on. Throws Error(kInvalidArgument) for one that is not
  // below the root, however it is written, and for one with links that lead out of it; Error(kNotFound) for
  // what is no folder.
  std::filesystem::path adapter(const std::string& path) const;

  const std::filesystem::path& folder() const { return root_; }

 private:
  bool holds(const std::filesystem::path& canonical) const;

  std::filesystem::path root_;  // without links
};

}  // namespace quiver
