#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "core/files.h"
#include "quiver/error.h"

namespace quiver::test {

// A scratch folder, removed at the end of the test.
class ScratchDirectory {
 public:
  ScratchDirectory() : directory_(std::filesystem::temp_directory_path()) {}
  const std::filesystem::path& path() const { return directory_.path(); }
  std::filesystem::path operator/(const std::string& name) const { return path() / name; }

 private:
  TemporaryDirectory directory_;
};

// The project's checkout, the built program, and a golden file under tests/golden/.
std::filesystem::path source_directory();
std::filesystem::path program_path();
std::filesystem::path golden_path(const std::string& name);

// Data outside the project: $QUIVER_SHARED, or ../shared beside the checkout. Empty where there is none.
std::optional<std::filesystem::path> shared_data(const std::string& name);

// SmolLM2-135M-Instruct in the cache that `quiver fetch smollm2-135m` fills ($QUIVER_CACHE or
// ~/.cache/quiver).
std::filesystem::path smollm2_path();

// Runs a shell command; the exit status and everything it printed, stdout and stderr together.
struct CommandResult {
  int status;
  std::string output;
};
CommandResult run_command(const std::string& command);

// The message and the hint of the quiver::Error that `action` must throw.
template <typename Action>
std::string error_message(Action&& action) {
  try {
    action();
  } catch (const Error& e) {
    return std::string(e.what()) + (e.hint().empty() ? "" : " | " + e.hint());
  }
  ADD_FAILURE() << "expected a quiver::Error";
  return "";
}

}  // namespace quiver::test

// Skips the running test, saying so, where the shared data is absent.
#define QUIVER_REQUIRE_SHARED(variable, name)                                        \
  const auto variable##_found = ::quiver::test::shared_data(name);                   \
  if (!variable##_found) GTEST_SKIP() << "shared data '" << name << "' is not here"; \
  const std::filesystem::path variable = *variable##_found
