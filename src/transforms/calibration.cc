#include "routing/calibration.h"

#include <ATen/core/grad_mode.h>

#include <mutex>

#include "quiver/transforms.h"
#include "tensor/jobs.h"
#include "transforms/prompt_runs.h"
#include "transforms/slot_lengths.h"

namespace quiver {
namespace {

// Whether the library has this calibration already, of the expert's present weights. The base may have been
// loaded from another place.
bool is_current(const ExpertLibrary& library, const PromptPlan& plan) {
  try {
    const std::optional<Artefact> found = library.find_artefact(plan.info.name, kCalibrationKind);
    if (!found || !found->settings.is_object()) return false;
    Json settings = found->settings;
    settings["base_model"] = plan.settings.at("base_model");
    return settings == plan.settings;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kStale) return false;
    throw;
  }
}

Artefact make_calibration(const BaseModel& base, const Expert& expert, const PromptPlan& plan) {
  const at::NoGradGuard no_gradients;
  const SlotLengths lengths(base, expert);
  const std::int64_t depth[] = {lengths.depth()};
  run_prompts(base, plan, [&](const RaggedBatch& batch) { base.hidden_states(batch, depth, &lengths); });
  return {plan.settings, lengths.results(), expert_digest(expert)};
}

}  // namespace

std::int64_t compute_calibration(ExpertLibrary& library, std::span<const std::string> experts,
                                 const BaseModel& base, const TaskDataset& data,
                                 const StatisticsOptions& options, Recompute recompute,
                                 const ExpertObserver& observer) {
  const TrainingRows rows = training_rows(data);
  std::vector<PromptPlan> plans;
  std::vector<double> costs;
  for (const std::string& name : experts) {
    PromptPlan plan = plan_prompts(library, name, base, rows, options);
    if (recompute == Recompute::kMissing && is_current(library, plan)) {
      if (observer) observer(name);
      continue;
    }
    costs.push_back(plan.cost());
    plans.push_back(std::move(plan));
  }
  std::mutex callbacks;
  run_jobs(costs, default_jobs_at_once(), [&](std::size_t number) {
    const std::string& name = plans[number].info.name;
    library.put_artefact(name, kCalibrationKind, make_calibration(base, library.load(name), plans[number]));
    const std::lock_guard lock(callbacks);
    if (observer) observer(name);
  });
  return static_cast<std::int64_t>(plans.size());
}

}  // namespace quiver
