#include "core/output_place.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>

#include "core/descriptor.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

fs::path parent_of(const fs::path& path) {
  return path.parent_path().empty() ? fs::path(".") : path.parent_path();
}

// The folder in /proc where a process's open files have their names: /proc/PID/fd.
std::optional<std::string> folder_of_open_files(const fs::path& path) {
  std::error_code error;
  std::string folder = fs::canonical(parent_of(path), error).string();
  struct statfs system {};
  if (error || !folder.ends_with("/fd") || ::statfs(folder.c_str(), &system) != 0) return std::nullopt;
  if (system.f_type != PROC_SUPER_MAGIC) return std::nullopt;
  return folder;
}

// The number of an open file of this process by its name in that folder.
std::optional<int> own_descriptor(const std::string& folder, const std::string& name) {
  if (!folder.starts_with("/proc/" + std::to_string(::getpid()) + "/")) return std::nullopt;
  int number = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (problem != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

}  // namespace

OutputPlace find_output_place(const fs::path& path) {
  constexpr int kMostLinks = 40;  // the kernel's own limit
  OutputPlace place;
  place.path = path;
  for (int links = 0;; ++links) {
    if (const auto folder = folder_of_open_files(place.path)) {
      place.is_open_file = true;
      place.descriptor = own_descriptor(*folder, place.path.filename().string());
      break;
    }
    std::error_code no_link;
    const fs::path next = fs::read_symlink(place.path, no_link);
    if (no_link) break;
    if (links == kMostLinks) {
      errno = ELOOP;
      throw_io("cannot write", path);
    }
    place.path = next.is_absolute() ? next : place.path.parent_path() / next;
  }
  struct stat status {};
  const int found =
      place.descriptor ? ::fstat(*place.descriptor, &status) : ::stat(place.path.c_str(), &status);
  if (found == 0) {
    place.status = status;
  } else if (place.descriptor || errno != ENOENT) {
    throw_io("cannot write", path);
  }
  return place;
}

void check_parent(const fs::path& path) {
  fs::path folder = parent_of(path);
  struct stat status {};
  while (::stat(folder.c_str(), &status) != 0) {
    if (errno != ENOENT || folder == parent_of(folder)) throw_io("cannot write to", folder);
    folder = parent_of(folder);
  }
  if (!S_ISDIR(status.st_mode)) {
    errno = ENOTDIR;
    throw_io("cannot write below", folder);
  }
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    throw_io("cannot write into the folder", folder);
}

}  // namespace quiver
