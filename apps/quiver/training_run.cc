#include "training_run.h"

#include <cstdio>

#include "core/log.h"
#include "core/progress.h"
#include "core/strings.h"
#include "library/names.h"
#include "train/options_from_config.h"

namespace fs = std::filesystem;

namespace quiver::program {
namespace {

void train_one(const BaseModel& base, const TaskDataset& data, const ExpertPlan& plan,
               TrainingOptions options, ExpertLibrary& library, const TrainingRunOptions& run) {
  std::optional<Progress> progress;
  const Expert expert =
      train_expert(base, plan.name, data.only(plan.tasks), options, [&](const TrainingStep& step) {
        if (!progress) progress.emplace("train " + plan.name, step.total, "steps");
        char note[48];
        std::snprintf(note, sizeof note, "loss %.4f", step.loss);
        progress->advance(1, note);
      });
  progress.reset();
  try {
    library.add(expert, run.if_exists);
  } catch (const Error& error) {
    // The training is not lost with a library that cannot take it.
    const fs::path rescued = options.checkpoint.parent_path().parent_path() / "rescued" / plan.name;
    save_expert(expert, rescued);
    throw Error(error.kind(), std::string(error.what()) + "; the trained expert is in " + rescued.string(),
                "put it into a library with `quiver library import`");
  }
  std::error_code ignored;
  fs::remove(options.checkpoint, ignored);
}

}  // namespace

void apply_global_options(const GlobalOptions& global, ExperimentConfig& config) {
  if (global.seed) config.seed = static_cast<std::int64_t>(*global.seed);
  if (global.precision) config.precision = parse_precision(*global.precision);
}

BaseModelOptions base_options(const GlobalOptions& global, const ExperimentConfig& config) {
  return {config.precision, global.device};
}

TaskDataset load_dataset(const ExperimentConfig& config) {
  if (!config.dataset) {
    throw Error(ErrorKind::kInvalidArgument, "the config names no 'dataset'",
                "add it, or give -k dataset=FILE");
  }
  TaskDataset data = TaskDataset::load({.path = *config.dataset,
                                        .tasks = config.finetune_task_name,
                                        .include_task_source = config.include_task_source,
                                        .include_template_type = config.include_template_type,
                                        .remove_phi_eval_tasks = config.remove_phi_eval_tasks});
  data.subsample(Split::kTrain, config.subsample_train, config.subsample_per_task);
  data.subsample(Split::kValidation, config.subsample_dev, config.subsample_per_task);
  data.subsample(Split::kTest, config.subsample_test, config.subsample_per_task);
  return data;
}

std::vector<ExpertPlan> plan_experts(const ExperimentConfig& config, const TaskDataset& data, bool joint) {
  std::vector<ExpertPlan> plans;
  for (const auto& [name, tasks] : config.task_sets) plans.push_back({name, tasks});
  if (plans.empty()) {
    for (const std::string& task : data.task_names()) plans.push_back({task, {task}});
  }
  if (joint) {
    ExpertPlan all{config.expert_name.value_or("joint"), {}};
    for (const ExpertPlan& plan : plans)
      all.tasks.insert(all.tasks.end(), plan.tasks.begin(), plan.tasks.end());
    return {all};
  }
  if (config.expert_name) {
    if (plans.size() != 1) {
      throw Error(ErrorKind::kInvalidArgument,
                  "expert_name '" + *config.expert_name + "' names one expert, but " +
                      std::to_string(plans.size()) + " would be trained",
                  "add --joint to train one on all tasks");
    }
    plans[0].name = *config.expert_name;
  }
  return plans;
}

void train_experts(const BaseModel& base, const TaskDataset& data, const std::vector<ExpertPlan>& plans,
                   const ExperimentConfig& config, ExpertLibrary& library,
                   const TrainingRunOptions& options) {
  for (const ExpertPlan& plan : plans) {
    require_valid_name(plan.name, "expert name");
    if (!library.contains(plan.name) || options.resume || options.if_exists == IfExists::kReplace) continue;
    throw Error(ErrorKind::kAlreadyExists, "expert '" + plan.name + "' is in " + library.uri() + " already",
                "--resume passes over it, --force replaces it");
  }
  std::size_t number = 0;
  for (const ExpertPlan& plan : plans) {
    ++number;
    if (options.resume && library.contains(plan.name)) continue;
    log_info("expert " + std::to_string(number) + " of " + std::to_string(plans.size()) + ": " + plan.name);
    TrainingOptions training = training_options(config);
    training.checkpoint = fs::path(config.output_dir) / "checkpoints" / (plan.name + ".safetensors");
    training.resume = options.resume;
    if (config.eval_every_n_epoch) {
      const auto rows = static_cast<std::int64_t>(data.only(plan.tasks).examples(Split::kTrain).size());
      training.evaluate_every =
          *config.eval_every_n_epoch * ((rows + training.batch_size - 1) / training.batch_size);
    }
    train_one(base, data, plan, training, library, options);
  }
}

}  // namespace quiver::program
