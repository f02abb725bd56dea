#include "storage/location.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "core/files.h"
#include "core/mutex.h"
#include "quiver/error.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

// The folders behind virtual:// names.
class VirtualFolders {
 public:
  ~VirtualFolders() {
    // A forked child that exits must not remove what its parent still uses.
    if (::getpid() == owner_) return;
    for (auto& [name, folder] : folders_) static_cast<void>(folder.release());
  }

  fs::path find_or_create(const std::string& name) {
    const MutexLock lock(mutex_);
    std::unique_ptr<TemporaryDirectory>& folder = folders_[name];
    if (!folder) folder = std::make_unique<TemporaryDirectory>(fs::temp_directory_path());
    return folder->path() / "store";
  }

 private:
  const pid_t owner_ = ::getpid();
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<TemporaryDirectory>> folders_ QUIVER_GUARDED_BY(mutex_);
};

VirtualFolders& virtual_folders() {
  static VirtualFolders folders;
  return folders;
}

fs::path absolute_directory(const std::string& text) {
  fs::path path = fs::absolute(fs::path(text)).lexically_normal();
  if (!path.has_filename() && path.has_relative_path()) path = path.parent_path();  // "a/b/" is "a/b"
  return path;
}

}  // namespace

StorageLocation locate_storage(const std::string& uri) {
  constexpr std::string_view kSeparator = "://";
  const std::size_t separator = uri.find(kSeparator);
  const bool bare = separator == std::string::npos;
  const std::string scheme = bare ? "local" : uri.substr(0, separator);
  const std::string place = bare ? uri : uri.substr(separator + kSeparator.size());
  const bool has_control =
      std::any_of(place.begin(), place.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (scheme != "local" && scheme != "virtual") {
    throw Error(ErrorKind::kUnsupported, "'" + uri + "': storage scheme '" + scheme + "://' is not supported",
                "use local://DIR, a plain path, or virtual://NAME");
  }
  if (has_control) {  // not repeated in the message: a NUL would cut it off
    throw Error(ErrorKind::kInvalidArgument, "a storage place may hold no control characters");
  }
  if (place.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "'" + uri + "' names no storage place",
                "use local://DIR, a plain path, or virtual://NAME");
  }
  if (scheme == "virtual") return {"virtual://" + place, virtual_folders().find_or_create(place)};
  const fs::path directory = absolute_directory(place);
  return {"local://" + directory.string(), directory};
}

}  // namespace quiver
