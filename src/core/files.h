#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace quiver {

// Reads a whole file of at most `max_bytes`. Throws Error(kNotFound) or Error(kIo) with the path and the
// reason.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// Writes a file whole: to a temporary name in the same folder, fsync, rename. A reader sees the old content
// or the new one, never a part. Creates missing parent folders. Throws Error(kIo); then the old content
// stands.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

// Flushes a file or a folder to the disk. Throws Error(kIo).
void sync_path(const std::filesystem::path& path);

// A folder of its own under `parent`, removed with its content on destruction unless it was renamed away. The
// name starts with ".tmp-", so that listings can pass over one that a killed process left.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::filesystem::path& parent);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Makes the folder `from` appear as `to` in one step, after flushing its files. An existing `to` is replaced
// by an atomic exchange and then deleted, so that at every moment one whole version is visible. Throws
// Error(kIo).
void publish_directory(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace quiver
