#include "routing/statistics.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/json.h"
#include "model/first_not_finite.h"
#include "quiver/transforms.h"
#include "transforms/prompt_runs.h"
#include "transforms/slot_inputs.h"

namespace quiver {
namespace {

// The layers whose hidden states are kept: the first, the last, and five between them at equal distances, a
// third of the depth among them.
std::vector<std::int64_t> candidate_layers(std::int64_t depth) {
  std::vector<std::int64_t> layers;
  for (std::int64_t sixth = 0; sixth <= 6; ++sixth) {
    const std::int64_t layer = statistics_layer(depth, sixth);
    if (layers.empty() || layers.back() != layer) layers.push_back(layer);
  }
  return layers;
}

Json statistics_settings(const BaseModel& base, const PromptPlan& plan) {
  Json settings = plan.settings;
  settings["layers"] = candidate_layers(base.shape().layers);
  settings["pooling"] = "mean_of_unit_rms";
  return settings;
}

// Whether the library has these statistics already, of every layer that the expert adapts. The base may have
// been loaded from another place.
bool is_current(const ExpertLibrary& library, const PromptPlan& plan, const Json& wanted) {
  const std::optional<Artefact> found = library.find_artefact(plan.info.name, kStatisticsKind);
  if (!found || !found->settings.is_object()) return false;
  Json settings = found->settings;
  settings["base_model"] = wanted.at("base_model");
  if (settings != wanted) return false;
  const Expert expert = library.load(plan.info.name);
  return std::ranges::all_of(expert.modules, [&](const auto& module) {
    return found->tensors.contains(statistics_input_key(module.first));
  });
}

// The rows of one expert while its prompts pass by.
class PromptFeatures {
 public:
  PromptFeatures(const BaseModel& base, std::vector<std::int64_t> layers, std::size_t prompts)
      : base_(base), layers_(std::move(layers)) {
    const auto count = static_cast<std::int64_t>(prompts);
    for (const std::int64_t layer : layers_)
      features_[layer] = at::empty({count, base.shape().hidden}, at::kFloat);
  }

  // Runs the next prompts.
  void run(const RaggedBatch& batch, SlotInputs& inputs) {
    std::vector<std::int64_t> layers = layers_;
    if (inputs.depth() > layers.back()) layers.push_back(inputs.depth());
    inputs.begin(batch);
    const std::vector<at::Tensor> states = base_.hidden_states(batch, layers, &inputs);
    for (std::int64_t s = 0; s < batch.sequences(); ++s, ++done_) {
      const std::int64_t first = batch.offsets[s], last = batch.offsets[s + 1];
      try {
        for (std::size_t i = 0; i < layers_.size(); ++i)
          features_[layers_[i]][done_].copy_(pool_prompt(states[i].slice(0, first, last)));
      } catch (const Error&) {
        throw not_finite_error(base_, std::span(batch.ids).subspan(first, last - first), nullptr);
      }
    }
  }

  const std::map<std::int64_t, at::Tensor>& features() const { return features_; }

 private:
  const BaseModel& base_;
  std::vector<std::int64_t> layers_;
  std::map<std::int64_t, at::Tensor> features_;
  std::int64_t done_ = 0;
};

Artefact make_statistics(const BaseModel& base, const Expert& expert, const PromptPlan& plan) {
  const at::NoGradGuard no_gradients;
  const Json settings = statistics_settings(base, plan);
  SlotInputs inputs(base, expert);
  PromptFeatures features(base, settings.at("layers"), plan.prompts.rows.size());
  run_prompts(base, plan, [&](const RaggedBatch& batch) { features.run(batch, inputs); });
  Artefact artefact{settings, {{kStatisticsTasksKey, at::tensor(plan.prompts.tasks)}}, kOfNoWeights};
  for (const auto& [layer, rows] : features.features())
    artefact.tensors[statistics_feature_key(layer)] = rows;
  for (const auto& [path, mean] : inputs.means()) artefact.tensors[statistics_input_key(path)] = mean;
  for (const auto& [path, mean] : inputs.unit_means())
    artefact.tensors[statistics_unit_input_key(path)] = mean;
  return artefact;
}

}  // namespace

std::int64_t compute_statistics(ExpertLibrary& library, std::span<const std::string> experts,
                                const BaseModel& base, const TaskDataset& data,
                                const StatisticsOptions& options, Recompute recompute,
                                const ExpertObserver& observer) {
  return put_prompt_artefacts(
      library, experts, base, data, options, recompute, observer,
      {.kind = kStatisticsKind,
       .is_current =
           [&](const PromptPlan& plan) { return is_current(library, plan, statistics_settings(base, plan)); },
       .make = [&](const Expert& expert,
                   const PromptPlan& plan) { return make_statistics(base, expert, plan); }});
}

}  // namespace quiver
