#pragma once

#include <filesystem>
#include <string_view>

namespace quiver {

// A regular file mapped read-only into memory for the lifetime of the object. Thread-safe. The file must not
// shrink while it is mapped: Quiver replaces files by rename, which leaves the mapped content alone.
class MappedFile {
 public:
  // Throws Error(kNotFound, kIo) with the path and the reason.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string_view bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  std::string_view bytes_;  // empty and unmapped for an empty file
};

}  // namespace quiver
