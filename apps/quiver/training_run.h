#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "core/config.h"
#include "quiver/base_model.h"
#include "quiver/dataset.h"
#include "quiver/library.h"
#include "quiver/training.h"
#include "quiver/transforms.h"

namespace quiver::program {

// Applies --seed and --precision over the config's own values.
void apply_global_options(const GlobalOptions& global, ExperimentConfig& config);

BaseModelOptions base_options(const GlobalOptions& global, const ExperimentConfig& config);

// The tasks of the config from its data set, subsampled. Throws Error(kInvalidArgument) when it names no data
// set.
TaskDataset load_dataset(const ExperimentConfig& config);

// One expert to train: its name and its tasks.
struct ExpertPlan {
  std::string name;
  std::vector<std::string> tasks;
};

// One expert per task (or per cluster of finetune_task_path), or with `joint` one on all of them.
std::vector<ExpertPlan> plan_experts(const ExperimentConfig& config, const TaskDataset& data, bool joint);

struct TrainingRunOptions {
  bool resume = false;  // pass over experts that are in the library, go on from checkpoints
  IfExists if_exists = IfExists::kRefuse;
  std::size_t at_once = 0;  // trainings side by side; 0: see quiver::train_experts
};

// What the config says of the artefact `statistics`.
StatisticsOptions statistics_options(const ExperimentConfig& config);

// Trains the planned experts on one loaded base and commits each to the library as it ends. Then computes
// what is missing of their statistics, unless the config's statistics_rows is 0.
void run_trainings(const BaseModel& base, const TaskDataset& data, const std::vector<ExpertPlan>& plans,
                   const ExperimentConfig& config, ExpertLibrary& library, const TrainingRunOptions& options);

}  // namespace quiver::program
