#include "storage/write_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "quiver/error.h"

namespace quiver {

WriteLock::WriteLock(const std::filesystem::path& directory) {
  const auto fail = [&](const std::string& what, int code) {
    const bool denied = code == EACCES || code == EROFS || code == EPERM;
    return Error(ErrorKind::kIo, what + " '" + directory.string() + "': " + std::strerror(code),
                 denied ? "check the permissions of the folder" : "");
  };
  descriptor_ = ::open((directory / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw fail("cannot write to", errno);
  while (::flock(descriptor_, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    const int code = errno;
    ::close(descriptor_);
    throw fail("cannot lock", code);
  }
}

WriteLock::~WriteLock() {
  // Closing alone would leave the lock with a child that was forked meanwhile and shares the descriptor.
  ::flock(descriptor_, LOCK_UN);
  ::close(descriptor_);
}

}  // namespace quiver
