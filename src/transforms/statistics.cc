#include "routing/statistics.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <mutex>

#include "core/json.h"
#include "expert/begin_of_text_record.h"
#include "model/first_not_finite.h"
#include "quiver/transforms.h"
#include "tensor/jobs.h"
#include "text/text_beginning.h"
#include "transforms/prompt_choice.h"
#include "transforms/slot_inputs.h"

namespace quiver {
namespace {

constexpr std::int64_t kTokensAtOnce = 1024;

// The layers whose hidden states are kept: the first, the last, and five between them at equal distances, a
// third of the depth among them.
std::vector<std::int64_t> candidate_layers(std::int64_t depth) {
  std::vector<std::int64_t> layers;
  for (std::int64_t sixth = 0; sixth <= 6; ++sixth) {
    const std::int64_t layer = sixth * depth / 6;
    if (layers.empty() || layers.back() != layer) layers.push_back(layer);
  }
  return layers;
}

// What the statistics of one expert are made of.
struct Plan {
  ExpertInfo info;
  BeginOfText bos = BeginOfText::kAuto;
  PromptChoice prompts;
  Json settings;
};

Plan plan_statistics(const ExpertLibrary& library, const std::string& name, const BaseModel& base,
                     const TrainingRows& rows, const StatisticsOptions& options) {
  Plan plan;
  plan.info = library.info(name);
  check_base(plan.info, base.fingerprint(), base.name());
  plan.bos = options.bos == BeginOfText::kAuto ? recorded_begin_of_text(plan.info) : options.bos;
  const TextBeginning beginning(base.tokenizer(), plan.bos, base.eos_id());
  const std::vector<std::string> tasks =
      plan.info.tasks.empty() ? std::vector<std::string>{name} : plan.info.tasks;
  plan.prompts = choose_prompts(rows, tasks, options.rows, options.seed, name);
  plan.settings = {
      {"base_model", base.name()},
      {"base_fingerprint", base.fingerprint()},
      {"tasks", tasks},
      {"rows", options.rows},
      {"rows_digest", plan.prompts.digest},
      {"seed", options.seed},
      {"max_input_length", std::min(options.max_input_length, base.shape().max_positions)},
      {"truncation_side", options.truncate_left ? "left" : "right"},
      {"bos", begin_of_text_name(beginning.is_empty() ? BeginOfText::kNever : BeginOfText::kAlways)},
      {"layers", candidate_layers(base.shape().layers)},
      {"pooling", "mean_of_unit_rms"}};
  return plan;
}

// Whether the library has these statistics already, of every layer that the expert adapts. The base may have
// been loaded from another place.
bool is_current(const ExpertLibrary& library, const Plan& plan) {
  const std::optional<Artefact> found = library.find_artefact(plan.info.name, kStatisticsKind);
  if (!found || !found->settings.is_object()) return false;
  Json settings = found->settings;
  settings["base_model"] = plan.settings.at("base_model");
  if (settings != plan.settings) return false;
  const Expert expert = library.load(plan.info.name);
  return std::ranges::all_of(expert.modules, [&](const auto& module) {
    return found->tensors.contains(statistics_input_key(module.first));
  });
}

std::vector<std::int32_t> prompt_ids(const BaseModel& base, const TextBeginning& beginning,
                                     const std::string& prompt, const Json& settings) {
  std::vector<std::int32_t> ids = prompt_tokens(base.tokenizer(), beginning, prompt);
  const auto limit = settings.at("max_input_length").get<std::size_t>();
  if (ids.size() <= limit) return ids;
  const auto over = static_cast<std::ptrdiff_t>(ids.size() - limit);
  const bool left = settings.at("truncation_side") == "left";
  ids.erase(left ? ids.begin() : ids.end() - over, left ? ids.begin() + over : ids.end());
  return ids;
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

Artefact make_statistics(const BaseModel& base, const Expert& expert, const Plan& plan) {
  const at::NoGradGuard no_gradients;
  const TextBeginning beginning(base.tokenizer(), plan.bos, base.eos_id());
  SlotInputs inputs(base, expert);
  PromptFeatures features(base, plan.settings.at("layers"), plan.prompts.rows.size());
  RaggedBatch batch;
  for (const Example* example : plan.prompts.rows) {
    const std::vector<std::int32_t> ids = prompt_ids(base, beginning, example->source, plan.settings);
    if (batch.sequences() > 0 && batch.tokens() + static_cast<std::int64_t>(ids.size()) > kTokensAtOnce) {
      features.run(batch, inputs);
      batch = {};
    }
    batch.add(ids);
  }
  features.run(batch, inputs);
  Artefact artefact{plan.settings, {{kStatisticsTasksKey, at::tensor(plan.prompts.tasks)}}, kOfNoWeights};
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
  const TrainingRows rows = training_rows(data);
  std::vector<Plan> plans;
  std::vector<double> costs;
  for (const std::string& name : experts) {
    Plan plan = plan_statistics(library, name, base, rows, options);
    if (recompute == Recompute::kMissing && is_current(library, plan)) {
      if (observer) observer(name);
      continue;
    }
    double bytes = 0;
    for (const Example* example : plan.prompts.rows) bytes += static_cast<double>(example->source.size());
    costs.push_back(bytes);
    plans.push_back(std::move(plan));
  }
  std::mutex callbacks;
  run_jobs(costs, default_jobs_at_once(), [&](std::size_t number) {
    const std::string& name = plans[number].info.name;
    library.put_artefact(name, kStatisticsKind, make_statistics(base, library.load(name), plans[number]));
    const std::lock_guard lock(callbacks);
    if (observer) observer(name);
  });
  return static_cast<std::int64_t>(plans.size());
}

}  // namespace quiver
