#include "data/task_files.h"

#include <algorithm>
#include <set>

#include "core/strings.h"
#include "quiver/error.h"

namespace quiver {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtensions[] = {".parquet", ".jsonl", ".json"};

// Entries that are no hidden files, sorted by name.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (!entry->path().filename().native().starts_with('.')) entries.push_back(entry->path());
  }
  if (error) throw Error(ErrorKind::kIo, "cannot list '" + folder.string() + "': " + error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

// "test.jsonl", "test-00000-of-00001.parquet", and AI2's "ARC-Easy-Test.jsonl" for the config ARC-Easy.
bool holds_split(const fs::path& file, const std::string& split, const std::string& config) {
  if (std::find(std::begin(kExtensions), std::end(kExtensions), file.extension()) == std::end(kExtensions))
    return false;
  const std::string stem = lower_case(file.stem().string());
  if (!config.empty() && stem == lower_case(config) + "-" + split) return true;
  return stem.starts_with(split) && (stem.size() == split.size() || stem[split.size()] == '-');
}

std::vector<fs::path> split_files(const fs::path& folder, const std::string& split,
                                  const std::string& config) {
  for (const fs::path& place : {folder, folder / "data"}) {
    if (!fs::is_directory(place)) continue;
    std::vector<fs::path> files;
    std::set<fs::path> extensions;
    for (const fs::path& entry : entries_of(place)) {
      if (!holds_split(entry, split, config) || !fs::is_regular_file(entry)) continue;
      files.push_back(entry);
      extensions.insert(entry.extension());
    }
    if (extensions.size() > 1) {
      throw Error(ErrorKind::kInvalidArgument,
                  "folder '" + place.string() + "' holds split '" + split +
                      "' in several formats, which may be the same rows",
                  "keep one of them");
    }
    if (!files.empty()) return files;
  }
  return {};
}

TaskFiles files_in(const TaskDefinition& task, const fs::path& folder, const std::string& subtask) {
  TaskFiles files;
  files.subtask = subtask;
  files.folder = folder;
  files.rows = split_files(folder, task.split, task.config);
  if (!task.shots_split.empty()) files.shots = split_files(folder, task.shots_split, task.config);
  return files;
}

std::vector<TaskFiles> files_under(const TaskDefinition& task, const fs::path& root) {
  std::vector<TaskFiles> found;
  if (task.config == "*") {
    for (const fs::path& folder : entries_of(root)) {
      const std::string name = folder.filename().string();
      const auto& skipped = task.skip_configs;
      if (!fs::is_directory(folder) || std::find(skipped.begin(), skipped.end(), name) != skipped.end())
        continue;
      TaskFiles files = files_in(task, folder, name);
      if (!files.rows.empty()) found.push_back(std::move(files));
    }
    return found;
  }
  const fs::path folder =
      !task.config.empty() && fs::is_directory(root / task.config) ? root / task.config : root;
  TaskFiles files = files_in(task, folder, "");
  if (!files.rows.empty()) found.push_back(std::move(files));
  return found;
}

std::string expected_layout(const TaskDefinition& task, const fs::path& data) {
  const std::string config = task.config.empty() ? "" : task.config == "*" ? "SUBTASK/" : task.config + "/";
  std::string layout = "expected " + (data / task.name).string() + "/" + config + task.split +
                       "*.parquet or " + task.split + ".jsonl";
  if (!task.repository.empty()) {
    layout += ", or a copy of the hub's data set " + task.repository + " at " +
              (data / fs::path(task.repository).filename()).string();
  }
  return layout;
}

}  // namespace

std::vector<TaskFiles> find_task_files(const TaskDefinition& task, const fs::path& data, bool only_task) {
  if (fs::is_regular_file(data) && task.config == "*") {
    throw Error(ErrorKind::kInvalidArgument,
                "task '" + task.name + "' has a folder a subtask, '" + data.string() + "' is a file",
                "give the folder that holds them");
  }
  if (fs::is_regular_file(data)) return {{"", data.parent_path(), {data}, {}}};
  if (!fs::is_directory(data)) throw Error(ErrorKind::kNotFound, "data '" + data.string() + "' not found");
  std::vector<fs::path> roots = {data / task.name};
  if (!task.repository.empty()) {
    roots.push_back(data / task.repository);
    roots.push_back(data / fs::path(task.repository).filename());
  }
  if (only_task) roots.push_back(data);
  for (const fs::path& root : roots) {
    if (!fs::is_directory(root)) continue;
    std::vector<TaskFiles> found = files_under(task, root);
    if (!found.empty()) return found;
  }
  throw Error(ErrorKind::kNotFound, "task '" + task.name + "': no data under '" + data.string() + "'",
              expected_layout(task, data));
}

}  // namespace quiver
