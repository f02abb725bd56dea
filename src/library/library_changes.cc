#include "core/files.h"
#include "core/json.h"
#include "expert/expert_files.h"
#include "expert/expert_record.h"
#include "library/artefact_file.h"
#include "library/write_turn.h"
#include "quiver/error.h"
#include "quiver/library.h"
#include "storage/names.h"
#include "storage/snapshot.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

Error taken(const std::string& name, const std::string& uri) {
  return {ErrorKind::kAlreadyExists, "expert '" + name + "' already exists in '" + uri + "'",
          "remove it first, or ask for it to be replaced"};
}

void move_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw Error(ErrorKind::kIo, "cannot move '" + from.string() + "': " + error.message());
  try {
    sync_path(to.parent_path());
    sync_path(from.parent_path());
  } catch (const Error&) {
    fs::rename(to, from, error);  // what failed must not have been done
    throw;
  }
}

// A writer that computes artefacts has them under such a name until they are whole.
bool is_unfinished(const std::string& name) {
  return is_temporary_name(name) || name.starts_with(kFirstTemporaries);
}

void copy_folder(const fs::path& from, const fs::path& to) {
  fs::create_directory(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    if (is_unfinished(name)) continue;
    if (entry.is_directory()) {
      copy_folder(entry.path(), to / name);
    } else {
      fs::copy_file(entry.path(), to / name);
    }
  }
}

// Copies an expert's folder whole, artefacts included, from one version of it.
void copy_expert(const fs::path& from, const fs::path& to) {
  read_snapshot(from, [&] {
    std::error_code error;
    fs::remove_all(to, error);
    try {
      copy_folder(from, to);
    } catch (const fs::filesystem_error& failure) {
      throw Error(ErrorKind::kIo, "cannot copy '" + from.string() + "' to '" + to.string() +
                                      "': " + failure.code().message());
    }
  });
  check_weights_digest(to);
}

}  // namespace

void ExpertLibrary::add(const Expert& expert, IfExists if_exists) {
  const std::string& name = expert.info.name;
  require_valid_name(name, "expert name");
  const WriteTurn turn(root_);
  if (if_exists == IfExists::kRefuse && contains(name)) throw taken(name, uri_);
  const fs::path prepared = turn.stage() / "expert";
  std::error_code error;
  if (!fs::create_directory(prepared, error)) {
    throw Error(ErrorKind::kIo, "cannot create '" + prepared.string() + "': " + error.message());
  }
  write_expert_files(expert, prepared);
  copy_artefacts_of_no_weights(root_ / name / kArtefactFolder, prepared / kArtefactFolder);
  publish_directory(prepared, root_ / name);
}

void ExpertLibrary::remove(const std::string& name) {
  const WriteTurn turn(root_);
  move_or_throw(expert_path(name), turn.stage() / "removed");
}

void ExpertLibrary::rename(const std::string& from, const std::string& to) {
  require_valid_name(to, "expert name");
  const WriteTurn turn(root_);
  const fs::path source = expert_path(from);
  if (contains(to)) throw taken(to, uri_);
  // The record is for those who read the folder by itself; here the folder's name counts. So the record goes
  // first: until the folder has moved, nothing has been renamed.
  const fs::path record_path = source / kExpertRecordFile;
  if (path_exists(record_path)) {
    ExpertRecord record = read_expert_record(record_path);
    record.info.name = to;
    write_file_atomic(record_path, dump_json(make_expert_record(record), 2) + "\n");
  }
  move_or_throw(source, root_ / to);
}

void ExpertLibrary::clone_to(ExpertLibrary& destination, IfExists if_exists) const {
  std::error_code ignored;
  if (fs::equivalent(root_, destination.root_, ignored)) {
    throw Error(ErrorKind::kInvalidArgument, "cannot clone '" + uri_ + "' to itself");
  }
  const std::vector<std::string> all = names();
  if (if_exists == IfExists::kRefuse) {
    for (const std::string& name : all) {
      if (destination.contains(name)) throw taken(name, destination.uri_);
    }
  }
  for (const std::string& name : all) {
    const WriteTurn turn(destination.root_);
    if (if_exists == IfExists::kRefuse && destination.contains(name)) throw taken(name, destination.uri_);
    const fs::path prepared = turn.stage() / "expert";
    copy_expert(expert_path(name), prepared);
    publish_directory(prepared, destination.root_ / name);
  }
}

}  // namespace quiver
