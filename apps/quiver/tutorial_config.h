#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "quiver/experiment.h"
#include "quiver/router.h"
#include "quiver/transforms.h"

namespace quiver::program {

// The file that `quiver tutorial` reads: one JSON object with
//   "experiment"          keys of an experiment config; finetune_task_name lists the tasks
//   "cluster_experiment"  keys that differ for the experts trained per cluster (may be missing)
//   "clusters"            {"k", "sparsity"}
//   "phatgoose"           {"n_steps", "learning_rate", "warmup_ratio", "batch_size"}
//   "rouge"               {"routers", "top_k", "max_new_tokens"}
//   "choices"             {"data", "task", "routers", "top_k", "limit"}; may be missing
struct TutorialConfig {
  ExperimentConfig experiment;
  ExperimentConfig cluster_experiment;
  ClusterOptions clusters;
  TrainingOptions gates;
  std::vector<RouterOptions> rouge_routers;
  std::int64_t max_new_tokens = 128;
  struct Choices {
    std::string data;
    std::string task;
    std::int64_t limit = 0;
    std::vector<RouterOptions> routers;
  };
  std::optional<Choices> choices;
  std::string text;               // the settings in one fixed spelling, to recognize the run by
  std::string shared_start_text;  // the same, where all experts start from one A, as they did in 0.1.0
};

// `overrides` are key=value over "experiment". Throws Error(kInvalidArgument) for unknown keys, with the
// nearest one.
TutorialConfig load_tutorial_config(const std::string& path, const std::vector<std::string>& overrides,
                                    const GlobalOptions& global);

}  // namespace quiver::program
