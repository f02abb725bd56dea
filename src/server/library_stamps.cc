#include "server/library_stamps.h"

#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "expert/expert_files.h"
#include "storage/layout.h"
#include "storage/location.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

// Empty where the file is not there.
std::string file_stamp(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return "";
  return std::to_string(status.st_ino) + ":" + std::to_string(status.st_size) + ":" +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
}

ExpertStamp stamp_of(const fs::path& expert) {
  ExpertStamp stamp;
  for (const char* file : {kExpertRecordFile, kAdapterConfigFile, kAdapterWeightsFile, kPickledWeightsFile})
    stamp.weights += file_stamp(expert / file) + ";";
  std::error_code none;
  std::set<fs::path> artefacts;  // a folder's own order may change
  for (const auto& entry : fs::directory_iterator(expert / kArtefactFolder, none)) {
    if (!entry.path().filename().string().starts_with('.')) artefacts.insert(entry.path());
  }
  for (const fs::path& file : artefacts)
    stamp.artefacts += file.filename().string() + "=" + file_stamp(file) + ";";
  return stamp;
}

}  // namespace

std::map<std::string, ExpertStamp> library_stamps(const ExpertLibrary& library) {
  const fs::path root = locate_storage(library.uri()).directory;
  std::map<std::string, ExpertStamp> stamps;
  for (const std::string& name : library.names()) stamps[name] = stamp_of(root / name);
  return stamps;
}

ExpertStamp expert_stamp(const ExpertLibrary& library, const std::string& name) {
  return stamp_of(locate_storage(library.uri()).directory / name);
}

}  // namespace quiver
