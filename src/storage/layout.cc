#include "storage/layout.h"

#include <algorithm>

#include "core/files.h"
#include "core/json.h"
#include "storage/names.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr char kFormat[] = "quiver-library";
constexpr std::int64_t kFormatVersion = 1;
constexpr std::uint64_t kMaxManifestBytes = 1 << 20;

}  // namespace

bool is_library(const fs::path& root) {
  std::error_code ignored;
  return fs::is_regular_file(root / kManifestFile, ignored);
}

void write_manifest(const fs::path& root) {
  const Json manifest = {{"format", kFormat}, {"format_version", kFormatVersion}};
  write_file_atomic(root / kManifestFile, dump_json(manifest, 2) + "\n");
}

void check_manifest(const fs::path& root, const std::string& uri) {
  // An unreadable folder is no absent library.
  if (!path_exists(root / kManifestFile) || !is_library(root)) {
    throw Error(ErrorKind::kNotFound, "no expert library at '" + uri + "'",
                "a library is a folder with library.json; training into a new place creates one");
  }
  const std::string where = (root / kManifestFile).string();
  const Json manifest = read_json_file(root / kManifestFile, kMaxManifestBytes);
  if (!manifest.is_object() || manifest.value("format", Json()) != kFormat) {
    throw Error(ErrorKind::kCorruptFile, where + ": not the manifest of an expert library");
  }
  const Json version = manifest.value("format_version", Json());
  if (!version.is_number_integer()) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'format_version' is missing or no whole number");
  }
  if (version > kFormatVersion) {
    throw Error(ErrorKind::kUnsupported,
                where + ": format version " + dump_json(version) + " is newer than this program's " +
                    std::to_string(kFormatVersion),
                "use a newer quiver");
  }
}

std::vector<std::string> expert_names(const fs::path& root) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    // The folder listing itself says what is a folder; nothing is looked up per expert.
    if (is_valid_name(name) && entry->is_directory(error) && !error) names.push_back(std::move(name));
    error.clear();  // one that vanished meanwhile
  }
  if (error) throw Error(ErrorKind::kIo, "cannot list '" + root.string() + "': " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

fs::path artefact_path(const fs::path& expert, const std::string& kind) {
  return expert / kArtefactFolder / (kind + ".safetensors");
}

void clean_staging(const fs::path& root) {
  std::error_code ignored;  // nobody needs the leftovers, and a missing folder is a clean one
  for (const auto& entry : fs::directory_iterator(root / kStagingFolder, ignored)) {
    fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace quiver
