#include "core/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "quiver/error.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

[[noreturn]] void throw_io(const std::string& what, const fs::path& path) {
  const int code = errno;
  const std::string hint = code == ENOSPC                    ? "free some space and run the command again"
                           : code == EACCES || code == EROFS ? "check the permissions of the folder"
                                                             : "";
  throw Error(ErrorKind::kIo, what + " '" + path.string() + "': " + std::strerror(code), hint);
}

// A file descriptor that is closed on scope exit; close() reports the delayed write errors that a destructor
// cannot.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

void write_all(int fd, std::string_view content, const fs::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throw_io("cannot write", path);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

void create_parents(const fs::path& directory) {
  if (directory.empty()) return;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    errno = error.value();
    throw_io("cannot create the folder", directory);
  }
}

}  // namespace

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
  content.reserve(static_cast<std::size_t>(status.st_size));
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
  create_parents(path.parent_path());
  std::string temporary = (path.parent_path() / (".tmp-" + path.filename().string() + "-XXXXXX")).string();
  Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) throw_io("cannot create a file beside", path);
  try {
    write_all(file.get(), content, path);
    if (::fchmod(file.get(), 0644) != 0 || ::fsync(file.get()) != 0 || file.close() != 0) {
      throw_io("cannot write", path);
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw_io("cannot publish", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_path(path.parent_path().empty() ? fs::path(".") : path.parent_path());
}

void sync_path(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw_io("cannot open", path);
  // Some file systems refuse to flush a folder; nothing is lost by going on.
  if (::fsync(file.get()) != 0 && errno != EINVAL) throw_io("cannot flush", path);
}

TemporaryDirectory::TemporaryDirectory(const fs::path& parent) {
  create_parents(parent);
  std::string name = (parent / ".tmp-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw_io("cannot create a folder in", parent);
  ::chmod(name.c_str(), 0755);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void publish_directory(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::recursive_directory_iterator(from)) sync_path(entry.path());
  sync_path(from);
  create_parents(to.parent_path());
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    // Network file systems without the flag: nothing stands there yet, so a plain rename will do.
    const bool flag_unknown = errno == EINVAL || errno == ENOSYS;
    if (flag_unknown && !fs::exists(to) && ::rename(from.c_str(), to.c_str()) == 0) {
      sync_path(to.parent_path().empty() ? fs::path(".") : to.parent_path());
      return;
    }
    if (errno != EEXIST) throw_io("cannot publish", to);
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
      throw_io("cannot replace", to);
    }
    std::error_code ignored;  // the old version now stands at `from`
    fs::remove_all(from, ignored);
  }
  sync_path(to.parent_path().empty() ? fs::path(".") : to.parent_path());
}

}  // namespace quiver
