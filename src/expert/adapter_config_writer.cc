#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "expert/adapter_config.h"
#include "expert/module_names.h"

namespace quiver {
namespace {

struct RankAndAlpha {
  std::int64_t rank;
  double alpha;
  auto operator<=>(const RankAndAlpha&) const = default;
};

// alpha from scale and rank; the training setting where it gives the same scale, so that 10 / 3 * 3 stays 10.
RankAndAlpha rank_and_alpha(const LoraWeights& weights, const LoraConfig& setting) {
  const std::int64_t rank = weights.a.size(0);
  const double divisor = static_cast<double>(rank);
  if (setting.alpha / divisor == weights.scale) return {rank, setting.alpha};
  return {rank, weights.scale * divisor};
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// "model.layers.3.mlp.up_proj" is layer 3 of "model.layers.#.mlp.up_proj"; no layer without a number.
struct LayerPath {
  std::string shape;
  std::optional<std::int64_t> layer;
};

LayerPath split_layer(const std::string& path) {
  std::size_t start = 0;
  while (start < path.size()) {
    const std::size_t end = std::min(path.find('.', start), path.size());
    const bool number = end > start && end - start < 9 &&
                        std::all_of(path.begin() + static_cast<std::ptrdiff_t>(start),
                                    path.begin() + static_cast<std::ptrdiff_t>(end),
                                    [](char c) { return c >= '0' && c <= '9'; });
    if (number) {
      return {path.substr(0, start) + "#" + path.substr(end), std::stoll(path.substr(start, end - start))};
    }
    start = end + 1;
  }
  return {path, std::nullopt};
}

// Local names where each stands for the same layer of every block 0 .. n-1, full paths otherwise. A local
// name may match more modules than the expert has in a model with further blocks; PEFT starts those at zero,
// so the result is the same. The names of a nested decoder would also match layers of the model's other
// parts.
Json target_modules(const Expert& expert) {
  std::map<std::string, std::set<std::string>> shapes;   // by local name
  std::map<std::string, std::set<std::int64_t>> layers;  // by local name
  std::int64_t layer_count = 0;
  for (const auto& [path, weights] : expert.modules) {
    const LayerPath split = split_layer(path);
    shapes[last_part(path)].insert(split.shape);
    if (!split.layer) continue;
    layers[last_part(path)].insert(*split.layer);
    layer_count = std::max(layer_count, *split.layer + 1);
  }
  std::set<std::string> targets;
  for (const auto& [path, weights] : expert.modules) {
    const std::string name = last_part(path);
    const bool nested = !split_module_name(path).decoder.empty();
    const bool unambiguous = !nested && shapes[name].size() == 1 && layer_count > 0 &&
                             static_cast<std::int64_t>(layers[name].size()) == layer_count;
    targets.insert(unambiguous ? name : path);
  }
  return Json(targets);
}

// "^" and the path, its regex characters escaped: PEFT then matches this module only.
std::string exact_pattern(const std::string& path) {
  std::string pattern = "^";
  for (const char c : path) {
    if (std::string_view("\\^$|?*+()[]{}").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace

Json make_adapter_config(const Expert& expert) {
  std::map<RankAndAlpha, std::int64_t> counts;
  for (const auto& [path, weights] : expert.modules) ++counts[rank_and_alpha(weights, expert.info.lora)];
  RankAndAlpha usual{expert.info.lora.rank, expert.info.lora.alpha};
  std::int64_t most = 0;
  for (const auto& [pair, count] : counts) {
    if (count > most) {
      usual = pair;
      most = count;
    }
  }
  Json rank_pattern = Json::object();
  Json alpha_pattern = Json::object();
  for (const auto& [path, weights] : expert.modules) {
    const RankAndAlpha own = rank_and_alpha(weights, expert.info.lora);
    if (own.rank != usual.rank) rank_pattern[exact_pattern(path)] = own.rank;
    if (own.alpha != usual.alpha) alpha_pattern[exact_pattern(path)] = own.alpha;
  }
  // A whole number is written as one: PEFT declares lora_alpha an integer.
  const bool whole = usual.alpha == std::floor(usual.alpha) && std::abs(usual.alpha) < 1e15;
  const Json alpha = whole ? Json(static_cast<std::int64_t>(usual.alpha)) : Json(usual.alpha);
  return {{"alpha_pattern", alpha_pattern},
          {"auto_mapping", nullptr},
          {"base_model_name_or_path", expert.info.base_model.empty() ? Json() : Json(expert.info.base_model)},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"init_lora_weights", true},
          {"layers_pattern", nullptr},
          {"layers_to_transform", nullptr},
          {"lora_alpha", alpha},
          {"lora_dropout", expert.info.lora.dropout},
          {"modules_to_save", nullptr},
          {"peft_type", "LORA"},
          {"r", usual.rank},
          {"rank_pattern", rank_pattern},
          {"revision", nullptr},
          {"target_modules", target_modules(expert)},
          {"task_type", "CAUSAL_LM"},
          {"use_dora", false},
          {"use_rslora", false}};
}

}  // namespace quiver
