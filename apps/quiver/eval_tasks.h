#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "model_arguments.h"
#include "quiver/evaluation.h"
#include "quiver/generation.h"

namespace quiver::program {

// What `quiver eval TASKS MODEL` was asked for.
struct TaskArguments {
  ModelArguments model;
  std::vector<std::string> tasks;  // names and paths of definitions; or just "all"
  std::string data;                // a folder with one folder a task; or one task's own file or folder
  std::string out;                 // results.json; empty: stdout
  std::string samples_out;         // JSON lines, one a model and question; may be empty
  std::int64_t limit = 0;          // above 0: the first questions of each subtask
  std::optional<std::int64_t> shots;
  std::optional<std::int64_t> max_new_tokens;
  Truncation truncation = Truncation::kLeft;
  bool exclude_own = false;  // --exclude-own
};

// What --exclude-own stands for.
OwnExpert own_expert(bool exclude_own);

// Evaluates all tasks on one loaded base. All data is read before the model is loaded. A task that fails
// leaves the others' results, which are written; then throws Error naming the failed tasks. Throws Error at
// once, naming every such task and the expected layout, where data is missing or does not fit.
void run_eval_tasks(const TaskArguments& arguments, const GlobalOptions& global);

}  // namespace quiver::program
