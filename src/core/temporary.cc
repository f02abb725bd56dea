#include "core/temporary.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <random>

#include "core/files.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr std::string_view kPrefix = ".quiver-tmp-";

fs::path random_path(const fs::path& directory) {
  std::random_device random;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%08x%08x", static_cast<unsigned>(random()),
                static_cast<unsigned>(random()));
  return directory / (std::string(kPrefix) + digits);
}

bool lock(const Descriptor& file, int operation) {
  while (::flock(file.get(), operation) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

// Whether the file still stands at its path.
bool is_at(const Descriptor& file, const fs::path& path) {
  struct stat held {};
  struct stat present {};
  return ::fstat(file.get(), &held) == 0 && ::lstat(path.c_str(), &present) == 0 &&
         held.st_dev == present.st_dev && held.st_ino == present.st_ino;
}

// `create` makes the path and opens it; below 0 with errno where it cannot.
HeldTemporary hold(const fs::path& directory, const std::function<int(const char*)>& create) {
  for (;;) {
    HeldTemporary held{random_path(directory), Descriptor()};
    held.lock = Descriptor(create(held.path.c_str()));
    if (held.lock.get() < 0) {
      if (errno == EEXIST) continue;
      const bool removed = errno == ENOENT && fs::exists(directory);
      if (removed) continue;
      throw_io("cannot write into the folder", directory);
    }
    // A file system without locks refuses them to those that would delete it, too.
    lock(held.lock, LOCK_EX);
    // Between the creation and the lock another writer may have taken it for an abandoned one.
    if (is_at(held.lock, held.path)) return held;
  }
}

}  // namespace

bool is_temporary_name(std::string_view name) { return name.starts_with(kPrefix); }

void clear_abandoned(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const fs::path& path = entry->path();
    if (!is_temporary_name(path.filename().string())) continue;
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.get() < 0 || !lock(file, LOCK_EX | LOCK_NB)) continue;
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
}

HeldTemporary hold_temporary_file(const fs::path& directory) {
  return hold(directory,
              [](const char* path) { return ::open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
}

HeldTemporary hold_temporary_directory(const fs::path& directory) {
  return hold(directory, [](const char* path) {
    return ::mkdir(path, 0777) != 0 ? -1 : ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  });
}

TemporaryDirectory::TemporaryDirectory(const fs::path& parent) {
  make_directories(parent);
  clear_abandoned(parent);
  held_ = hold_temporary_directory(parent);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(held_.path, ignored);
}

}  // namespace quiver
