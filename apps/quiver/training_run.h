#pragma once

#include <span>

#include "commands.h"
#include "quiver/experiment.h"

namespace quiver::program {

// Applies --seed and --precision over the config's own values.
void apply_global_options(const GlobalOptions& global, ExperimentConfig& config);

BaseModelOptions base_options(const GlobalOptions& global, const ExperimentConfig& config);

// run_trainings() with its progress on stderr, until the user stops it.
void run_trainings_in_view(const BaseModel& base, const TaskDataset& data, std::span<const ExpertPlan> plans,
                           const ExperimentConfig& config, ExpertLibrary& library,
                           TrainingRunOptions options);

}  // namespace quiver::program
