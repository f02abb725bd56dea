#include "report/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/files.h"
#include "quiver/error.h"
#include "report/display_text.h"

namespace quiver {
namespace {

// What the child does with its standard streams: nothing in, everything printed into one file.
class ChildStreams {
 public:
  explicit ChildStreams(const std::filesystem::path& messages) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, messages.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
  }
  ~ChildStreams() { ::posix_spawn_file_actions_destroy(&actions_); }
  ChildStreams(const ChildStreams&) = delete;
  ChildStreams& operator=(const ChildStreams&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return status;
}

}  // namespace

void run_gnuplot(const std::filesystem::path& script, const std::filesystem::path& scratch) {
  const std::filesystem::path messages = scratch / "messages.txt";
  std::string program = "gnuplot";
  std::string defaults = "--default-settings";
  std::string file = script.string();
  char* const arguments[] = {program.data(), defaults.data(), file.data(), nullptr};
  const ChildStreams streams(messages);
  pid_t child = 0;
  const int code = ::posix_spawnp(&child, "gnuplot", streams.get(), nullptr, arguments, environ);
  if (code == ENOENT) {
    throw Error(ErrorKind::kNotFound, "gnuplot, which draws the charts, is not installed",
                "apt-get install gnuplot-nox");
  }
  if (code != 0) throw Error(ErrorKind::kIo, std::string("cannot run gnuplot: ") + std::strerror(code));
  const int status = wait_for(child);
  if (status != 0) {
    std::string said = std::filesystem::exists(messages) ? read_file(messages, 1 << 20) : "";
    std::replace(said.begin(), said.end(), '\n', ' ');
    throw Error(ErrorKind::kIo, "gnuplot failed: " + display_text(said, 300));
  }
}

}  // namespace quiver
