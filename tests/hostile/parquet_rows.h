#pragma once

#include <filesystem>

namespace quiver::test {

// Writes six task rows of two tasks, in two row groups. In a child process: Arrow starts threads.
void write_parquet_rows(const std::filesystem::path& path);

}  // namespace quiver::test
