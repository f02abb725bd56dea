#include "training_run.h"

#include <cstdio>

#include "core/files.h"
#include "core/log.h"
#include "core/strings.h"
#include "interrupt.h"
#include "progress.h"
#include "storage/names.h"
#include "train/options_from_config.h"

namespace fs = std::filesystem;

namespace quiver::program {
namespace {

// Puts a trained expert into the library; its checkpoint has then served.
void commit(const Expert& expert, const fs::path& checkpoint, ExpertLibrary& library, IfExists if_exists) {
  try {
    library.add(expert, if_exists);
  } catch (const Error& error) {
    // The training is not lost with a library that cannot take it.
    const fs::path rescued = checkpoint.parent_path().parent_path() / "rescued" / expert.info.name;
    save_expert(expert, rescued);
    throw Error(error.kind(), std::string(error.what()) + "; the trained expert is in " + rescued.string(),
                "put it into a library with `quiver library import`");
  }
  std::error_code ignored;
  fs::remove(checkpoint, ignored);
}

ExpertTraining plan_training(const TaskDataset& data, const ExpertPlan& plan, const ExperimentConfig& config,
                             const TrainingRunOptions& options, std::stop_token stop) {
  ExpertTraining training{plan.name, data.only(plan.tasks), training_options(config)};
  training.options.checkpoint = fs::path(config.output_dir) / "checkpoints" / (plan.name + ".safetensors");
  check_writable(training.options.checkpoint);
  training.options.resume = options.resume;
  training.options.stop = std::move(stop);
  if (config.eval_every_n_epoch) {
    const auto rows = static_cast<std::int64_t>(training.data.examples(Split::kTrain).size());
    const std::int64_t batch = training.options.batch_size;
    training.options.evaluate_every = *config.eval_every_n_epoch * ((rows + batch - 1) / batch);
  }
  return training;
}

// One line of progress for trainings that run side by side: the steps of all of them.
class TrainingProgress {
 public:
  explicit TrainingProgress(const std::vector<ExpertTraining>& trainings) : trainings_(trainings) {}

  void advance(std::size_t number, const TrainingStep& step) {
    // All have one config; the first to report says how long a training is.
    if (!progress_) {
      const bool one = trainings_.size() == 1;
      const auto count = static_cast<std::int64_t>(trainings_.size());
      progress_.emplace(one ? "train " + trainings_[0].name : "train " + std::to_string(count) + " experts",
                        one ? step.total : 0, "steps");
    }
    char note[48];
    std::snprintf(note, sizeof note, "loss %.4f", step.loss);
    progress_->advance(1, trainings_.size() == 1 ? std::string(note) : trainings_[number].name + " " + note);
  }

 private:
  const std::vector<ExpertTraining>& trainings_;
  std::optional<Progress> progress_;
};

// The experts that statistics can be made for: with two training rows of each task. A warning names others.
std::vector<std::string> with_enough_rows(const std::vector<ExpertPlan>& plans, const TaskDataset& data) {
  std::map<std::string, std::int64_t> rows;
  for (const Example& example : data.examples(Split::kTrain)) ++rows[example.task_name];
  std::vector<std::string> names;
  for (const ExpertPlan& plan : plans) {
    const auto few =
        std::ranges::find_if(plan.tasks, [&](const std::string& task) { return rows[task] < 2; });
    if (few == plan.tasks.end()) {
      names.push_back(plan.name);
    } else {
      log_warning("no statistics of expert '" + plan.name + "': its task '" + *few +
                  "' has fewer than two training rows");
    }
  }
  return names;
}

void compute_missing_statistics(const BaseModel& base, const TaskDataset& data,
                                const std::vector<ExpertPlan>& plans, const ExperimentConfig& config,
                                ExpertLibrary& library) {
  if (config.statistics_rows == 0) return;
  const std::vector<std::string> names = with_enough_rows(plans, data);
  Progress progress("statistics", static_cast<std::int64_t>(names.size()), "experts");
  compute_statistics(library, names, base, data, statistics_options(config), Recompute::kMissing,
                     [&](const std::string&) {
                       progress.advance(1);
                       throw_if_interrupted("the experts are kept, --resume goes on");
                     });
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
                                        .tasks_file = config.task_sets_file,
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

StatisticsOptions statistics_options(const ExperimentConfig& config) {
  return {.rows = config.statistics_rows,
          .seed = static_cast<std::uint64_t>(config.seed),
          .max_input_length = config.max_input_length,
          .truncate_left = config.truncation_side == TruncationSide::kLeft,
          .bos = config.bos};
}

void run_trainings(const BaseModel& base, const TaskDataset& data, const std::vector<ExpertPlan>& plans,
                   const ExperimentConfig& config, ExpertLibrary& library,
                   const TrainingRunOptions& options) {
  InterruptStop stop(InterruptStop::LogReader::kNeeded);
  std::vector<ExpertTraining> trainings;
  for (const ExpertPlan& plan : plans) {
    if (!library.contains(plan.name)) require_new_name(plan.name, "expert name");
    if (library.contains(plan.name)) {
      if (options.resume) continue;
      if (options.if_exists != IfExists::kReplace) {
        throw Error(ErrorKind::kAlreadyExists,
                    "expert '" + plan.name + "' is in " + library.uri() + " already",
                    "--resume passes over it, --force replaces it");
      }
    }
    trainings.push_back(plan_training(data, plan, config, options, stop.token()));
  }
  TrainingProgress progress(trainings);
  std::size_t done = plans.size() - trainings.size();
  train_experts(
      base, trainings, {.at_once = options.at_once},
      [&](std::size_t number, const Expert& expert) {
        commit(expert, trainings[number].options.checkpoint, library, options.if_exists);
        log_info("expert " + std::to_string(++done) + " of " + std::to_string(plans.size()) + ": " +
                 expert.info.name);
      },
      [&](std::size_t number, const TrainingStep& step) {
        progress.advance(number, step);
        stop.pass_on();
      });
  compute_missing_statistics(base, data, plans, config, library);
}

}  // namespace quiver::program
