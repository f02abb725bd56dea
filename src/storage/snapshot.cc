#include "storage/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <optional>

#include "quiver/error.h"

namespace quiver {
namespace {

// Keeps a folder's inode alive, so that a later version cannot be given the same number.
class PinnedDirectory {
 public:
  explicit PinnedDirectory(const std::filesystem::path& directory)
      : descriptor_(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}
  ~PinnedDirectory() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  PinnedDirectory(const PinnedDirectory&) = delete;
  PinnedDirectory& operator=(const PinnedDirectory&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  bool still_at(const std::filesystem::path& directory) const {
    struct stat pinned {};
    struct stat present {};
    return ::fstat(descriptor_, &pinned) == 0 && ::stat(directory.c_str(), &present) == 0 &&
           pinned.st_dev == present.st_dev && pinned.st_ino == present.st_ino;
  }

 private:
  int descriptor_;
};

}  // namespace

void read_snapshot(const std::filesystem::path& directory, const std::function<void()>& read) {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const PinnedDirectory pinned(directory);
    if (!pinned.is_open()) return read();
    std::exception_ptr failure;
    try {
      read();
    } catch (const Error&) {
      failure = std::current_exception();
    }
    if (!pinned.still_at(directory)) continue;
    if (failure) std::rethrow_exception(failure);
    return;
  }
  throw Error(ErrorKind::kIo, "'" + directory.string() + "' is replaced faster than it can be read");
}

}  // namespace quiver
