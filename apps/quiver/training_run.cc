#include "training_run.h"

#include <cstdio>
#include <optional>

#include "core/log.h"
#include "interrupt.h"
#include "progress.h"

namespace quiver::program {
namespace {

// One line of progress for trainings that run side by side: the steps of all of them.
class TrainingProgress {
 public:
  void begin(std::size_t trainings) { trainings_ = trainings; }

  void advance(const std::string& expert, const TrainingStep& step) {
    const bool one = trainings_ == 1;
    if (!progress_) {
      progress_.emplace(one ? "train " + expert : "train " + std::to_string(trainings_) + " experts",
                        one ? step.total : 0, "steps");
    }
    char note[48];
    std::snprintf(note, sizeof note, "loss %.4f", step.loss);
    progress_->advance(1, one ? std::string(note) : expert + " " + note);
  }

 private:
  std::size_t trainings_ = 0;
  std::optional<Progress> progress_;
};

}  // namespace

void apply_global_options(const GlobalOptions& global, ExperimentConfig& config) {
  if (global.seed) config.seed = static_cast<std::int64_t>(*global.seed);
  if (global.precision) config.precision = parse_precision(*global.precision);
}

BaseModelOptions base_options(const GlobalOptions& global, const ExperimentConfig& config) {
  return {config.precision, global.device};
}

void run_trainings_in_view(const BaseModel& base, const TaskDataset& data, std::span<const ExpertPlan> plans,
                           const ExperimentConfig& config, ExpertLibrary& library,
                           TrainingRunOptions options) {
  InterruptStop stop(InterruptStop::LogReader::kNeeded);
  options.stop = stop.token();
  TrainingProgress progress;
  std::optional<Progress> statistics;
  std::size_t done = 0;
  TrainingRunObserver observer;
  observer.on_begin = [&](std::span<const ExpertTraining> trainings) {
    done = plans.size() - trainings.size();
    progress.begin(trainings.size());
  };
  observer.on_step = [&](const std::string& expert, const TrainingStep& step) {
    progress.advance(expert, step);
    stop.pass_on();
  };
  observer.on_committed = [&](const std::string& expert) {
    log_info("expert " + std::to_string(++done) + " of " + std::to_string(plans.size()) + ": " + expert);
  };
  observer.on_statistics = [&](const std::string&, std::size_t of) {
    if (!statistics) statistics.emplace("statistics", static_cast<std::int64_t>(of), "experts");
    statistics->advance(1);
    throw_if_interrupted("the experts are kept, --resume goes on");
  };
  run_trainings(base, data, plans, config, library, options, observer);
}

}  // namespace quiver::program
