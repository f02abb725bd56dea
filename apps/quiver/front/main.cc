// The program that users start. Loading LibTorch takes a third of a second; what needs no tensors is answered
// here. Everything else, and everything that fails here, is left to quiver-engine, which takes this process's
// place, so that options and messages exist once.
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "core/log.h"
#include "quiver/error.h"
#include "storage/layout.h"
#include "storage/location.h"
#include "version_text.h"

namespace fs = std::filesystem;

namespace quiver::program {
namespace {

// What the command line prints; nothing where the engine has to answer. Throws Error where the engine would.
std::string answer(const std::vector<std::string>& arguments) {
  if (arguments == std::vector<std::string>{"--version"}) return version_text() + "\n";
  const bool lists = arguments.size() == 3 && arguments[0] == "library" && arguments[1] == "ls";
  // A virtual library is a temporary folder that its process must live to remove.
  if (!lists || arguments[2].starts_with('-') || arguments[2].starts_with("virtual:")) return "";
  const StorageLocation place = locate_storage(arguments[2]);
  check_manifest(place.directory, place.uri);
  std::string lines;
  for (const std::string& name : expert_names(place.directory)) lines += name + "\n";
  return lines;
}

bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

// Beside this program in a build folder, in a folder for programs that nobody starts by hand once installed.
fs::path engine_path() {
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path beside = here / QUIVER_ENGINE_FILE;
  return fs::exists(beside) ? beside : (here / QUIVER_ENGINE_FOLDER / QUIVER_ENGINE_FILE).lexically_normal();
}

// OpenMP's threads spin for milliseconds while they wait for each other; on a machine that others use too,
// that costs most of the speed. The time of some thousand spins is about that of waking a thread. The
// variable is read when the engine is loaded, so it must be set before.
void spin_briefly() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) ::setenv("GOMP_SPINCOUNT", "2000", 0);
}

int become_engine(char** argv) {
  spin_briefly();
  const fs::path engine = engine_path();
  ::execv(engine.c_str(), argv);
  log({LogLevel::kError, "cannot start '" + engine.string() + "': " + std::strerror(errno) +
                             " (install Quiver again: the program consists of both files)"});
  return 1;
}

int run(int argc, char** argv) {
  try {
    const std::string text = answer({argv + 1, argv + argc});
    if (!text.empty() && print(text)) return 0;
  } catch (const std::exception&) {  // the engine meets it again and reports it
  }
  return become_engine(argv);
}

}  // namespace
}  // namespace quiver::program

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the shell's limit is an error like a full disk
  std::signal(SIGPIPE, SIG_IGN);  // a reader that is gone, too
  return quiver::program::run(argc, argv);
}
