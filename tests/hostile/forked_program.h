#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace quiver::test {

struct ForkedResult {
  std::string end;  // "exit 0", "exit 1", "signal 6", "time-out", ...
  std::string out;
  std::string err;
};

// Runs the program's own code with these arguments in a child of this process, which has loaded LibTorch
// already: some milliseconds a run. The child has the current folder `folder`, one thread, 10 seconds and 3
// GiB more than its parent. REQUIRES: this process has started no thread.
ForkedResult run_forked(const std::vector<std::string>& arguments, const std::filesystem::path& folder);

}  // namespace quiver::test
