#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "core/descriptor.h"

namespace quiver {

// What a writer prepares beside its target has a name that begins with ".quiver-tmp-" and is locked (flock)
// as long as its writer lives, however that one ends. Whoever writes into the same folder later deletes what
// nobody holds.
bool is_temporary_name(std::string_view name);

// Deletes what writers that died have left in a folder; what cannot be deleted stays.
void clear_abandoned(const std::filesystem::path& directory);

struct HeldTemporary {
  std::filesystem::path path;
  Descriptor lock;  // of the file, open for writing, or of the folder
};

// A new file or folder under `directory`, which exists, with the permissions that the umask leaves. Throws
// Error(kIo).
HeldTemporary hold_temporary_file(const std::filesystem::path& directory);
HeldTemporary hold_temporary_directory(const std::filesystem::path& directory);

// A folder of its own under `parent`, which is made where it is missing; removed with its content on
// destruction unless it was renamed away.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::filesystem::path& parent);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return held_.path; }

 private:
  HeldTemporary held_;
};

}  // namespace quiver
