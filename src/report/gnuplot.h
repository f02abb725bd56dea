#pragma once

#include <filesystem>

namespace quiver {

// Runs gnuplot on a script file, without the user's own start-up file, and waits for it. Its messages go to a
// file in `scratch`. Throws Error(kNotFound) where gnuplot is not on PATH, Error(kIo) with its first message
// when it fails.
void run_gnuplot(const std::filesystem::path& script, const std::filesystem::path& scratch);

}  // namespace quiver
