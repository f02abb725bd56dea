#include <algorithm>
#include <filesystem>
#include <map>

#include "core/files.h"
#include "core/log.h"
#include "quiver/error.h"
#include "quiver/experiment.h"
#include "storage/names.h"

namespace fs = std::filesystem;

namespace quiver {
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

ExpertTraining training_of(const ExpertPlan& plan, const TaskDataset& data, const ExperimentConfig& config,
                           const TrainingRunOptions& options) {
  ExpertTraining training{plan.name, data.only(plan.tasks), training_options(config)};
  training.options.checkpoint = fs::path(config.output_dir) / "checkpoints" / (plan.name + ".safetensors");
  check_writable(training.options.checkpoint);
  training.options.resume = options.resume;
  training.options.stop = options.stop;
  if (config.eval_every_n_epoch) {
    const auto rows = static_cast<std::int64_t>(training.data.examples(Split::kTrain).size());
    const std::int64_t batch = training.options.batch_size;
    training.options.evaluate_every = *config.eval_every_n_epoch * ((rows + batch - 1) / batch);
  }
  return training;
}

// The experts that statistics can be made for: with two training rows of each task. A warning names others.
std::vector<std::string> with_enough_rows(std::span<const ExpertPlan> plans, const TaskDataset& data) {
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
                                std::span<const ExpertPlan> plans, const ExperimentConfig& config,
                                ExpertLibrary& library, const TrainingRunOptions& options,
                                const TrainingRunObserver& observer) {
  if (config.statistics_rows == 0) return;
  const std::vector<std::string> names = with_enough_rows(plans, data);
  compute_statistics(library, names, base, data, statistics_options(config), Recompute::kMissing,
                     [&](const std::string& name) {
                       if (observer.on_statistics) observer.on_statistics(name, names.size());
                       if (options.stop.stop_requested())
                         throw Error(ErrorKind::kInterrupted, "stopped: the experts are kept");
                     });
}

}  // namespace

void run_trainings(const BaseModel& base, const TaskDataset& data, std::span<const ExpertPlan> plans,
                   const ExperimentConfig& config, ExpertLibrary& library, const TrainingRunOptions& options,
                   const TrainingRunObserver& observer) {
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
    trainings.push_back(training_of(plan, data, config, options));
  }
  if (observer.on_begin) observer.on_begin(trainings);
  train_experts(
      base, trainings, options.side_by_side,
      [&](std::size_t number, const Expert& expert) {
        commit(expert, trainings[number].options.checkpoint, library, options.if_exists);
        if (observer.on_committed) observer.on_committed(expert.info.name);
      },
      [&](std::size_t number, const TrainingStep& step) {
        if (observer.on_step) observer.on_step(trainings[number].name, step);
      });
  compute_missing_statistics(base, data, plans, config, library, options, observer);
}

}  // namespace quiver
