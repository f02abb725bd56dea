#include "core/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "core/output_place.h"
#include "quiver/error.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

fs::path parent_of(const fs::path& path) {
  return path.parent_path().empty() ? fs::path(".") : path.parent_path();
}

void write_all(const Descriptor& file, std::string_view content, const fs::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(file.get(), content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throw_io("cannot write", path);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Into a device, a FIFO or an open file, from where it stands.
void write_into(const OutputPlace& place, std::string_view content, const fs::path& path) {
  if (place.descriptor) std::fflush(nullptr);  // what was printed before comes first
  const Descriptor file(place.descriptor ? ::fcntl(*place.descriptor, F_DUPFD_CLOEXEC, 0)
                                         : ::open(place.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (file.get() < 0) throw_io("cannot write", path);
  write_all(file, content, path);
}

void overwrite(const OutputPlace& place, std::string_view content, const fs::path& path) {
  const Descriptor file(::open(place.path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) throw_io("cannot write", path);
  write_all(file, content, path);
  if (::ftruncate(file.get(), static_cast<off_t>(content.size())) != 0 || ::fsync(file.get()) != 0)
    throw_io("cannot write", path);
}

// Gives a new file what the one it takes the place of has; false where the owner cannot be kept.
bool take_over(int file, const struct stat& old) {
  struct stat fresh {};
  if (::fstat(file, &fresh) != 0) return false;
  const bool same_owner = fresh.st_uid == old.st_uid && fresh.st_gid == old.st_gid;
  if (!same_owner && ::fchown(file, old.st_uid, old.st_gid) != 0) return false;
  return ::fchmod(file, old.st_mode & 07777) == 0;  // last: chown clears bits
}

// False where the place can only be written over.
bool replace(const OutputPlace& place, std::string_view content, const fs::path& path) {
  const fs::path folder = parent_of(place.path);
  if (place.status && ::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return false;
  clear_abandoned(folder);
  HeldTemporary fresh = hold_temporary_file(folder);
  try {
    if (place.status && !take_over(fresh.lock.get(), *place.status)) {
      ::unlink(fresh.path.c_str());
      return false;
    }
    write_all(fresh.lock, content, path);
    if (::fsync(fresh.lock.get()) != 0) throw_io("cannot write", path);
    if (::rename(fresh.path.c_str(), place.path.c_str()) != 0) {
      const bool mounted = errno == EBUSY && place.status;
      if (!mounted) throw_io("cannot publish", path);
      ::unlink(fresh.path.c_str());
      return false;
    }
    if (fresh.lock.close() != 0) throw_io("cannot write", path);
  } catch (...) {
    ::unlink(fresh.path.c_str());
    throw;
  }
  sync_path(folder);
  return true;
}

// Throws for a place that takes no file.
void require_file(const OutputPlace& place, const fs::path& path) {
  if (place.is_directory() || !place.path.has_filename()) {
    throw Error(ErrorKind::kIo, "cannot write '" + path.string() + "': it is a folder", "name a file");
  }
  const bool denied =
      place.status && !place.descriptor && ::faccessat(AT_FDCWD, place.path.c_str(), W_OK, AT_EACCESS) != 0;
  if (denied) throw_io("cannot write", path);
}

// Of the folder that is replaced and its files, as far as the system allows.
void take_over_all(const fs::path& from, const fs::path& to) {
  const auto take_one = [](const fs::path& fresh_path, const fs::path& old_path) {
    struct stat old {};
    if (::lstat(old_path.c_str(), &old) != 0 || S_ISLNK(old.st_mode)) return;
    const Descriptor fresh(::open(fresh_path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (fresh.get() < 0 || ::fstat(fresh.get(), &status) != 0) return;
    if ((status.st_mode & S_IFMT) == (old.st_mode & S_IFMT)) take_over(fresh.get(), old);
  };
  for (const auto& entry : fs::recursive_directory_iterator(from))
    take_one(entry.path(), to / entry.path().lexically_relative(from));
  take_one(from, to);
}

}  // namespace

void throw_io(const std::string& what, const fs::path& path) {
  const int code = errno;
  const std::string hint = code == ENOSPC                    ? "free some space and run the command again"
                           : code == EACCES || code == EROFS ? "check the permissions of the folder"
                                                             : "";
  throw Error(ErrorKind::kIo, what + " '" + path.string() + "': " + std::strerror(code), hint);
}

bool path_exists(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw_io("cannot look for", path);
}

void make_directories(const fs::path& directory) {
  if (directory.empty()) return;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    errno = error.value();
    throw_io("cannot create the folder", directory);
  }
}

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) throw Error(ErrorKind::kNotFound, "no such file: '" + path.string() + "'");
    throw_io("cannot open", path);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_io("cannot read", path);
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorKind::kIo, "cannot read '" + path.string() + "': it is a folder");
  }
  const auto too_large = [&] {
    return Error(ErrorKind::kCorruptFile, "'" + path.string() + "' is larger than the limit of " +
                                              std::to_string(max_bytes) + " bytes for this kind of file");
  };
  if (static_cast<std::uint64_t>(status.st_size) > max_bytes) throw too_large();
  std::string content;
  try {
    content.reserve(static_cast<std::size_t>(status.st_size));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kIo, "cannot read '" + path.string() + "': its " + std::to_string(status.st_size) +
                                    " bytes do not fit into memory");
  }
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw_io("cannot read", path);
    }
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > max_bytes) throw too_large();
  }
}

void write_file_atomic(const fs::path& path, std::string_view content) {
  const OutputPlace place = find_output_place(path);
  require_file(place, path);
  if (!place.is_replaced()) return write_into(place, content, path);
  if (!place.status) make_directories(place.path.parent_path());
  if (!replace(place, content, path)) overwrite(place, content, path);
}

void check_writable(const fs::path& path) {
  const OutputPlace place = find_output_place(path);
  require_file(place, path);
  if (!place.is_replaced()) return;
  if (!place.status) check_parent(place.path);
  clear_abandoned(parent_of(place.path));
}

fs::path check_output_directory(const fs::path& path) {
  fs::path target = fs::absolute(path).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  const OutputPlace place = find_output_place(target);
  if (place.status && !place.is_directory()) {
    throw Error(ErrorKind::kAlreadyExists, "'" + path.string() + "' exists and is not a folder",
                "name a new folder");
  }
  check_parent(place.path);
  clear_abandoned(parent_of(place.path));
  return place.path.lexically_normal();
}

void sync_path(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw_io("cannot open", path);
  // Some file systems refuse to flush a folder; nothing is lost by going on.
  if (::fsync(file.get()) != 0 && errno != EINVAL) throw_io("cannot flush", path);
}

void publish_directory(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::recursive_directory_iterator(from)) sync_path(entry.path());
  sync_path(from);
  make_directories(to.parent_path());
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    // Network file systems without the flag: nothing stands there yet, so a plain rename will do.
    const bool flag_unknown = errno == EINVAL || errno == ENOSYS;
    if (flag_unknown && !fs::exists(to) && ::rename(from.c_str(), to.c_str()) == 0) {
      sync_path(parent_of(to));
      return;
    }
    if (errno != EEXIST) throw_io("cannot publish", to);
    const fs::file_type present = fs::symlink_status(to).type();
    if (present != fs::file_type::directory && present != fs::file_type::symlink) {
      throw Error(ErrorKind::kAlreadyExists, "'" + to.string() + "' exists and is not a folder");
    }
    take_over_all(from, to);
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
      throw_io("cannot replace", to);
    }
    std::error_code ignored;  // the old version now stands at `from`
    fs::remove_all(from, ignored);
  }
  sync_path(parent_of(to));
}

}  // namespace quiver
