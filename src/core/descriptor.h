#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

namespace quiver {

// A file descriptor that is closed on scope exit; close() reports the delayed write errors that a destructor
// cannot.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// Throws Error(kIo) with `what`, the path and what errno says.
[[noreturn]] void throw_io(const std::string& what, const std::filesystem::path& path);

}  // namespace quiver
