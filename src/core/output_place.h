#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>

namespace quiver {

// What stands at a path that is to be written to.
struct OutputPlace {
  std::filesystem::path path;         // links followed; the last one may lead to nothing
  std::optional<struct stat> status;  // nothing: a new file
  // The path is a name that /proc gives to an open file (/dev/stdout, /dev/fd/N): a link to look at, but only
  // opening it reaches what is open.
  bool is_open_file = false;
  std::optional<int> descriptor;  // where the file is one of this process's

  bool is_directory() const { return status && S_ISDIR(status->st_mode); }
  // A new or a plain file, which is put in place whole; everything else is written into.
  bool is_replaced() const { return !is_open_file && (!status || S_ISREG(status->st_mode)); }
};

// Throws Error(kIo) for a circle of links or a folder on the way that cannot be searched.
OutputPlace find_output_place(const std::filesystem::path& path);

// Throws Error(kIo) unless the nearest folder above `path` that exists can take a new entry.
void check_parent(const std::filesystem::path& path);

}  // namespace quiver
