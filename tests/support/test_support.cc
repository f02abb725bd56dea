#include "support/test_support.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace fs = std::filesystem;

namespace quiver::test {

fs::path source_directory() { return QUIVER_SOURCE_DIR; }

fs::path program_path() { return QUIVER_PROGRAM; }

fs::path golden_path(const std::string& name) { return source_directory() / "tests" / "golden" / name; }

std::optional<fs::path> shared_data(const std::string& name) {
  const char* configured = std::getenv("QUIVER_SHARED");
  const fs::path root = configured ? fs::path(configured) : source_directory().parent_path() / "shared";
  const fs::path path = root / "data" / name;
  if (!fs::exists(path)) return std::nullopt;
  return path;
}

fs::path smollm2_path() {
  const char* cache = std::getenv("QUIVER_CACHE");
  const char* home = std::getenv("HOME");
  const fs::path root = cache ? fs::path(cache) : fs::path(home ? home : ".") / ".cache" / "quiver";
  return root / "smollm2-135m" / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

CommandResult run_command(const std::string& command) {
  CommandResult result{-1, ""};
  FILE* pipe = ::popen(("(" + command + ") 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> buffer;
  while (std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe))
    result.output.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace quiver::test
