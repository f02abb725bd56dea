#include "routing/calibration.h"

#include <ATen/core/grad_mode.h>

#include "quiver/transforms.h"
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
  return put_prompt_artefacts(
      library, experts, base, data, options, recompute, observer,
      {.kind = kCalibrationKind,
       .is_current = [&](const PromptPlan& plan) { return is_current(library, plan); },
       .make = [&](const Expert& expert,
                   const PromptPlan& plan) { return make_calibration(base, expert, plan); }});
}

}  // namespace quiver
