#pragma once

#include <filesystem>

namespace quiver {

// Holds the exclusive right to change a folder while it lives, against other processes and other threads of
// this one (an advisory flock on `<directory>/.lock`). Waits for its turn. The system gives the right back
// when a process dies, however it dies. Throws Error(kIo) when the folder is missing or cannot be written.
class WriteLock {
 public:
  explicit WriteLock(const std::filesystem::path& directory);
  ~WriteLock();
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace quiver
