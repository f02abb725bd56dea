#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "quiver/dataset.h"

namespace quiver {

// The training rows of a data set by task, in their order. Points into the data set.
using TrainingRows = std::map<std::string, std::vector<const Example*>>;
TrainingRows training_rows(const TaskDataset& data);

// Prompts that stand for an expert.
struct PromptChoice {
  std::vector<const Example*> rows;  // (n), the tasks one after the other, each in the order of the data
  std::vector<std::int64_t> tasks;   // (n) indices into the tasks that were asked for
  std::string digest;                // SHA-256 over the tasks and texts
};

// Chooses `count` rows, evenly over the tasks: each gets as many as the others, as far as it has them, and
// two at least. Seed and task decide which, whatever the other tasks are. Throws Error(kInvalidArgument) for
// a task with fewer than two rows.
PromptChoice choose_prompts(const TrainingRows& rows, const std::vector<std::string>& tasks,
                            std::int64_t count, std::uint64_t seed, const std::string& expert);

}  // namespace quiver
