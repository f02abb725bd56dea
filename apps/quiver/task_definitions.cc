#include "task_definitions.h"

#include <algorithm>
#include <filesystem>

#include "core/strings.h"
#include "quiver/error.h"

namespace quiver::program {
namespace {

namespace fs = std::filesystem;

fs::path tasks_folder() {
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path beside = here / "tasks";
  const fs::path folder = fs::is_directory(beside) ? beside : (here / QUIVER_TASKS_FOLDER).lexically_normal();
  if (fs::is_directory(folder)) return folder;
  throw Error(ErrorKind::kNotFound, "the program's task definitions are not in '" + folder.string() + "'",
              "install Quiver again");
}

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(tasks_folder())) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TaskDefinition find_task_definition(const std::string& name_or_path) {
  if (name_or_path.ends_with(".json")) return read_task_definition(name_or_path);
  std::string name = name_or_path;
  std::replace(name.begin(), name.end(), '-', '_');
  const std::vector<std::string> names = task_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const std::string nearest = did_you_mean(name, names);
    throw Error(ErrorKind::kNotFound, "unknown task '" + name_or_path.substr(0, 100) + "'",
                (nearest.empty() ? "" : nearest + "; ") + "there are " + join(names, ", ") +
                    ", and definitions of one's own by path (FILE.json)");
  }
  TaskDefinition task = read_task_definition(tasks_folder() / (name + ".json"));
  task.name = name_or_path;
  return task;
}

}  // namespace quiver::program
