#pragma once

#include <filesystem>
#include <string>

namespace quiver {

// Where a URI points to.
struct StorageLocation {
  std::string uri;                  // canonical: with scheme; local paths absolute
  std::filesystem::path directory;  // the folder that holds the content; it need not exist
};

// Understands `local://DIR`, a bare path (the same), and `virtual://NAME`. A virtual store is a private
// temporary folder, the same for every use of NAME in this process and removed when the process exits, so
// that one mechanism serves both. Throws Error(kInvalidArgument) for an empty place and Error(kUnsupported),
// naming the scheme, for any other scheme. Thread-safe.
StorageLocation locate_storage(const std::string& uri);

}  // namespace quiver
