#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/temporary.h"

namespace quiver {

// Reads a whole file of at most `max_bytes`. Throws Error(kNotFound) or Error(kIo) with the path and the
// reason.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// Whether something stands at `path`, links followed. Throws Error(kIo) where that cannot be said: a folder
// on the way that may not be searched, a circle of links.
bool path_exists(const std::filesystem::path& path);

// Makes a folder and those above it that are missing. Throws Error(kIo).
void make_directories(const std::filesystem::path& directory);

// Writes content to a place of the user's. Links are followed, also one that leads nowhere yet. What is no
// plain file (a device, a FIFO, an open file such as /dev/stdout) is written into. A plain file is replaced
// whole: written aside in its folder, flushed, renamed, so that a reader sees the old content or the new one,
// never a part; it keeps its mode and owner. A new one gets the mode that the umask leaves, missing parent
// folders are made. Only where a file cannot be replaced without losing its owner, or its folder takes no
// other file (one mounted by itself), is it written over in place.
//
// Throws Error(kIo), for a folder too; then a replaced file's old content stands.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

// Throws what write_file_atomic would because of the place, before there is content: a folder, no permission,
// a parent that is no folder. Writes nothing.
void check_writable(const std::filesystem::path& path);

// Where a folder that is given as `path` is to be published: absolute, links followed, without a slash at the
// end. Throws Error(kIo) where something else than a folder stands there or none can be made.
std::filesystem::path check_output_directory(const std::filesystem::path& path);

// Flushes a file or a folder to the disk. Throws Error(kIo).
void sync_path(const std::filesystem::path& path);

// Makes the folder `from` appear as `to` in one step, after flushing its files. An existing `to` is replaced
// by an atomic exchange and then deleted, so that at every moment one whole version is visible; the new one
// takes over its mode and owner and those of its files. Throws Error(kIo).
void publish_directory(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace quiver
