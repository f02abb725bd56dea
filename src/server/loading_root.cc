#include "server/loading_root.h"

#include <algorithm>

#include "core/strings.h"
#include "quiver/error.h"

namespace fs = std::filesystem;

namespace quiver {

LoadingRoot::LoadingRoot(const fs::path& folder) {
  std::error_code error;
  root_ = fs::canonical(folder, error);
  if (error || !fs::is_directory(root_, error))
    throw Error(ErrorKind::kNotFound, "--loading-root: '" + folder.string() + "' is no folder");
}

bool LoadingRoot::holds(const fs::path& canonical) const {
  const auto [root, path] = std::mismatch(root_.begin(), root_.end(), canonical.begin(), canonical.end());
  return root == root_.end() && path != canonical.end();
}

fs::path LoadingRoot::adapter(const std::string& path) const {
  const std::string shown = std::string("'").append(escape_controls(path)).append("'");
  if (path.empty() || path.find('\0') != std::string::npos)
    throw Error(ErrorKind::kInvalidArgument, "no path of an adapter is given");
  std::error_code error;
  const fs::path folder = fs::canonical(root_ / path, error);  // of an absolute path, that path
  if (error && holds((root_ / path).lexically_normal()))
    throw Error(ErrorKind::kNotFound, "there is no adapter " + shown);
  // Whether there is something at a place outside is not told.
  if (error || !holds(folder))
    throw Error(ErrorKind::kInvalidArgument, shown + " is not below the server's --loading-root");
  if (!fs::is_directory(folder, error))
    throw Error(ErrorKind::kNotFound, shown + " is no folder of an adapter");
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path target = fs::canonical(entry.path(), error);
    if (!error && holds(target)) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "the file '" + escape_controls(entry.path().filename().string()) + "' of the adapter " +
                    shown + " leads out of the server's --loading-root");
  }
  return folder;
}

}  // namespace quiver
