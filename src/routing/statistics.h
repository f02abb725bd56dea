#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "quiver/expert.h"
#include "routing/prompt_rule.h"

namespace quiver {

// The artefact `statistics`: how the base alone sees prompts that an expert was trained on. It depends on the
// base and the prompts, not on the expert's weights.
inline constexpr char kStatisticsKind[] = "statistics";

// The layers whose hidden states are kept are these parts of the base's depth, 0 to 6 sixths of it.
inline std::int64_t statistics_layer(std::int64_t depth, std::int64_t sixths) { return sixths * depth / 6; }

// What the artefact's parts are called.
std::string statistics_feature_key(std::int64_t layer);          // "layer.10.mean"
std::string statistics_input_key(const std::string& path);       // "model.layers.0.self_attn.q_proj.input"
std::string statistics_unit_input_key(const std::string& path);  // "... .unit_input"
inline constexpr char kStatisticsTasksKey[] = "tasks";  // (n) int64, indices into the setting `tasks`

// Statistics of one expert, read and checked.
struct ExpertStatistics {
  std::string expert;
  std::vector<std::string> tasks;               // C names; of an expert without tasks its own
  std::vector<std::int64_t> row_tasks;          // (n) task of each prompt, 0 .. C-1
  std::map<std::int64_t, at::Tensor> features;  // by layer (n, D) float32: pool_prompt() of each prompt
  // By path of an adapted layer, (in) float32: the mean over prompts of the mean over a prompt's tokens of
  // the layer's input, and of the input at unit length. The former at unit length is mttl's hidden-state
  // computer with `pool` mean and `use_base_model_only`.
  std::map<std::string, at::Tensor> inputs, unit_inputs;
  nlohmann::json settings;
};

// Error(kNotFound) for an expert without statistics, with the command that makes them in the library at
// `uri`.
Error no_statistics_error(const std::string& expert, const std::string& uri);

// Reads an artefact's parts. Throws Error(kInvalidArgument) naming both for statistics of another base than
// that with `fingerprint` and `base_name`; Error(kStale) where the expert has other tasks today;
// Error(kCorruptFile) for parts that are absent, do not fit together or are not finite. `uri` is for hints.
ExpertStatistics read_statistics(const ExpertInfo& expert, const nlohmann::json& settings,
                                 const std::map<std::string, at::Tensor>& tensors,
                                 const std::string& fingerprint, const std::string& base_name,
                                 const std::string& uri);

// Throws Error(kInvalidArgument), naming two experts and what differs, unless all were made alike: the
// layers, how prompts are cut and begin, how tokens are pooled. The number of rows and the seed may differ.
void require_alike(std::span<const ExpertStatistics> experts, const std::string& uri);

// The prompts of all experts as a prompt rule learns from them: expert i of `experts` owns its tasks. Only
// `layer`, if it is there. Throws Error(kInvalidArgument) naming the layers that there are.
PromptRows prompt_rows(std::span<const ExpertStatistics> experts, std::int64_t layer);

}  // namespace quiver
