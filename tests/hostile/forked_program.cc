#include "hostile/forked_program.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "program.h"

namespace quiver::test {
namespace {

constexpr unsigned kSeconds = 10;
constexpr rlim_t kMoreMemory = rlim_t{3} << 30;

// Address space of this process, in bytes.
rlim_t address_space() {
  std::ifstream file("/proc/self/statm");
  rlim_t pages = 0;
  file >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

void redirect(int descriptor, const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(99);
}

[[noreturn]] void run_child(std::vector<std::string> arguments, const std::filesystem::path& folder) {
  const rlim_t memory = address_space() + kMoreMemory;
  const rlimit limit = {memory, memory};
  ::setrlimit(RLIMIT_AS, &limit);
  const rlimit no_core = {0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::alarm(kSeconds);
  if (::chdir(folder.c_str()) != 0) ::_exit(99);
  redirect(STDOUT_FILENO, folder / "stdout");
  redirect(STDERR_FILENO, folder / "stderr");
  arguments.insert(arguments.begin(), {"quiver", "--threads", "1"});
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int status = program::run_program(static_cast<int>(arguments.size()), pointers.data());
  std::fflush(nullptr);
  ::_exit(status);
}

}  // namespace

ForkedResult run_forked(const std::vector<std::string>& arguments, const std::filesystem::path& folder) {
  const pid_t child = ::fork();
  QUIVER_CHECK(child >= 0, "fork failed");
  if (child == 0) run_child(arguments, folder);
  int status = 0;
  ::waitpid(child, &status, 0);
  std::string end = "exit " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status))
    end = WTERMSIG(status) == SIGALRM ? "time-out" : "signal " + std::to_string(WTERMSIG(status));
  return {end, read_file(folder / "stdout", 64 << 20), read_file(folder / "stderr", 64 << 20)};
}

}  // namespace quiver::test
