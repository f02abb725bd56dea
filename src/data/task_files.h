#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "quiver/task.h"

namespace quiver {

// The files of one subtask, or of a task that has none.
struct TaskFiles {
  std::string subtask;                       // the sub-folder's name; empty for a task without subtasks
  std::filesystem::path folder;              // that sub-folder; where the data file stands else
  std::vector<std::filesystem::path> rows;   // one or more, all of one format
  std::vector<std::filesystem::path> shots;  // of the definition's `shots_split`; may be empty
};

// Finds a task's files under `data`, a file or a folder. `only_task` allows that `data` itself is the task's
// folder; with several tasks every task needs a folder of its own. Throws Error(kNotFound) with the layout
// that was expected, and Error(kInvalidArgument) for a split in two formats, which may be the same rows.
std::vector<TaskFiles> find_task_files(const TaskDefinition& task, const std::filesystem::path& data,
                                       bool only_task);

}  // namespace quiver
