#pragma once

#include <filesystem>
#include <string>

namespace quiver::program {

// The names that `quiver fetch` knows, for messages.
std::string known_models();

// Gets a known model into `cache` (empty: $QUIVER_CACHE, else ~/.cache/quiver) unless its verified file is
// there already, and returns the file's path. The file appears whole, after its SHA-256 was checked. Throws
// Error(kNotFound) for an unknown name, kIo when the download fails, kCorruptFile when the digest differs.
std::filesystem::path fetch_model(const std::string& name, const std::filesystem::path& cache = {});

// A BASE of the command line as a path: a known name is its file in the cache, which must have been fetched
// (or is fetched now); anything else is a path already.
std::filesystem::path resolve_base(const std::string& base);

}  // namespace quiver::program
