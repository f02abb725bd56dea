#pragma once

#include <string>
#include <vector>

#include "quiver/task.h"

namespace quiver::program {

// The tasks that come with the program, sorted: tasks/*.json beside it, or in its installed data folder.
std::vector<std::string> task_names();

// A task by its name, or by the path of a definition of one's own (it ends in ".json"). "-" may stand for
// "_". Throws Error(kNotFound) with the nearest names, and as read_task_definition.
TaskDefinition find_task_definition(const std::string& name_or_path);

}  // namespace quiver::program
