#include "model/unused_tensors.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "tensor/file_problem.h"

namespace quiver {
namespace {

// What transformers leaves out of its own report: buffers that older versions saved.
bool is_buffer(std::string_view name) {
  constexpr std::array<std::string_view, 5> kEnds = {"attn.bias", "attn.masked_bias", "attn.attention.bias",
                                                     "attn.attention.masked_bias", "rotary_emb.inv_freq"};
  return std::ranges::any_of(kEnds, [&](std::string_view end) { return name.ends_with(end); });
}

// A multimodal model's parts beside the language model.
bool is_for_other_inputs(std::string_view name) {
  if (name.starts_with("model.")) name.remove_prefix(std::string_view("model.").size());
  return name.starts_with("vision_tower.") || name.starts_with("multi_modal_projector.");
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kNamed = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i)
    text += (i == 0 ? "" : ", ") + in_quotes(names[i]);
  return names.size() <= kNamed ? text : text + ", ...";
}

// "model.layers.{}.mlp.up_proj" and "model.layers.12.mlp.up_proj.bias": the last parts agree.
bool is_bias_of(std::string_view name, std::string_view pattern) {
  constexpr std::string_view kBias = ".bias";
  if (pattern.empty() || !name.ends_with(kBias)) return false;
  name.remove_suffix(kBias.size());
  return name.ends_with(pattern.substr(pattern.find("{}") + 2));
}

}  // namespace

std::vector<std::string> describe_unused(const std::vector<std::string>& unused, const DecoderConfig& config,
                                         const TensorNames& names) {
  const std::array<std::vector<std::string>, kGroupsPerLayer> modules = {
      {{names.query, names.key, names.value}, {names.attention_out}, {names.gate, names.up}, {names.down}}};
  std::vector<std::string> biases, others;
  std::string settings;
  for (const std::string& name : unused) {
    if (is_buffer(name) || is_for_other_inputs(name)) continue;
    std::string setting;
    for (std::size_t kind = 0; kind < modules.size(); ++kind) {
      const bool is_bias =
          std::ranges::any_of(modules[kind], [&](const auto& pattern) { return is_bias_of(name, pattern); });
      if (is_bias) setting = config.bias_setting[kind];
    }
    (setting.empty() ? others : biases).push_back(name);
    if (setting.empty() || settings.find(setting) != std::string::npos) continue;
    settings += (settings.empty() ? "'" : "', '") + setting;
  }
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& reason, const std::vector<std::string>& which) {
    if (which.empty()) return;
    warnings.push_back(reason + ", and are not used: " + list_of(which) + " (" +
                       std::to_string(which.size()) + " in all)");
  };
  warn("the file has biases where config.json says " + settings + "' false", biases);
  warn("the file has tensors that have no place in a " + config.family + " decoder", others);
  return warnings;
}

}  // namespace quiver
