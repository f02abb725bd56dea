#include "quiver/library.h"

#include "core/strings.h"
#include "expert/expert_files.h"
#include "quiver/error.h"
#include "storage/layout.h"
#include "storage/location.h"
#include "storage/names.h"
#include "storage/snapshot.h"
#include "storage/write_lock.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

Error io_error(const std::string& what, const fs::path& path, const std::error_code& code) {
  return {ErrorKind::kIo, what + " '" + path.string() + "': " + code.message()};
}

// True for a new or empty folder, or one where a creator died before it wrote the manifest.
bool is_free(const fs::path& root) {
  for (const auto& entry : fs::directory_iterator(root)) {
    if (!entry.path().filename().string().starts_with('.')) return false;
  }
  return true;
}

// Makes the library unless another process was first; says which.
bool create_at(const StorageLocation& place) {
  std::error_code error;
  fs::create_directories(place.directory, error);
  if (error) throw io_error("cannot create the folder", place.directory, error);
  const WriteLock lock(place.directory);
  if (is_library(place.directory)) return false;
  if (!is_free(place.directory)) {
    throw Error(ErrorKind::kAlreadyExists, "'" + place.uri + "' holds files and is not an expert library",
                "name a new or empty folder");
  }
  write_manifest(place.directory);
  return true;
}

}  // namespace

ExpertLibrary::ExpertLibrary(std::string uri, fs::path root) : uri_(std::move(uri)), root_(std::move(root)) {}

ExpertLibrary ExpertLibrary::open(const std::string& uri) {
  StorageLocation place = locate_storage(uri);
  check_manifest(place.directory, place.uri);
  return {std::move(place.uri), std::move(place.directory)};
}

ExpertLibrary ExpertLibrary::create(const std::string& uri) {
  const StorageLocation place = locate_storage(uri);
  if (!create_at(place)) {
    throw Error(ErrorKind::kAlreadyExists, "there already is an expert library at '" + place.uri + "'");
  }
  return open(place.uri);
}

ExpertLibrary ExpertLibrary::open_or_create(const std::string& uri) {
  const StorageLocation place = locate_storage(uri);
  if (!is_library(place.directory)) create_at(place);
  return open(place.uri);
}

std::vector<std::string> ExpertLibrary::names() const { return expert_names(root_); }

bool ExpertLibrary::contains(const std::string& name) const {
  std::error_code ignored;
  return is_valid_name(name) && fs::is_directory(root_ / name, ignored);
}

fs::path ExpertLibrary::expert_path(const std::string& name) const {
  require_valid_name(name, "expert name");
  std::error_code ignored;
  if (fs::is_directory(root_ / name, ignored)) return root_ / name;
  throw Error(ErrorKind::kNotFound, "no expert '" + name + "' in '" + uri_ + "'",
              did_you_mean(name, names()));
}

ExpertInfo ExpertLibrary::info(const std::string& name) const {
  ExpertInfo info;
  read_snapshot(root_ / name, [&] { info = load_expert_info(expert_path(name)); });
  info.name = name;
  return info;
}

Expert ExpertLibrary::load(const std::string& name) const { return load_with_artefacts(name, {}).expert; }

}  // namespace quiver
