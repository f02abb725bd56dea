#include "mttl/mttl_info.h"

#include <cmath>

#include "core/strings.h"
#include "expert/file_errors.h"
#include "tensor/torch_json.h"

namespace quiver {
namespace {

constexpr char kLoraClass[] = "mttl.models.modifiers.lora.LoRAConfig";
constexpr char kEntryClass[] = "mttl.models.library.expert_library.MetadataEntry";

Json object_at(const Json& json, const char* key, const std::string& where) {
  const Json value = json_value(json, key, Json::object(), where);
  if (!value.is_object()) throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' is no dict");
  return value;
}

// The name of the kind of adapter: from the config's class, or from a key that older versions wrote.
std::string modifier_of(const Json& config, const std::string& where) {
  const auto legacy = json_value<std::string>(config, "__model_modifier__", "", where);
  if (!legacy.empty()) return legacy;
  const auto class_name = json_value<std::string>(config, "class_name", "", where);
  const std::string name = class_name.substr(class_name.rfind('.') + 1);
  if (name == "LoRAConfig") return "lora";
  const auto trained = json_value<std::string>(config, "model_modifier", "", where);
  return trained.empty() ? name : trained;
}

std::string escaped(const std::string& path) {
  std::string pattern;
  for (const char c : path) pattern += c == '.' ? "\\." : std::string(1, c);
  return pattern;
}

// mttl finds the layers of an expert by these regexes again. Where the expert does not bring its own, every
// path is written out.
std::pair<std::string, Json> layer_patterns(const Expert& expert) {
  const LoraConfig& lora = expert.info.lora;
  if (!lora.modify_layers.empty()) return {lora.modify_modules, lora.modify_layers};
  std::vector<std::string> paths;
  for (const auto& [path, weights] : expert.modules) paths.push_back(escaped(path));
  return {join(paths, "|"), nullptr};
}

TorchValue::Entry entry(const char* key, TorchValue value) { return {{std::string(key)}, std::move(value)}; }

TorchValue text_or_none(const std::string& text) { return text.empty() ? TorchValue{} : TorchValue{text}; }

MttlInfo parse(const Json& meta, const std::string& where) {
  if (!meta.is_object()) throw Error(ErrorKind::kCorruptFile, where + ": not a dict");
  MttlInfo result;
  ExpertInfo& info = result.info;
  info.name = json_require<std::string>(meta, "expert_name", where);
  info.tasks = split_list(json_value<std::string>(meta, "expert_task_name", "", where));
  info.training = object_at(meta, "training_config", where);
  info.base_model = json_value<std::string>(meta, "expert_model", "", where);
  if (info.base_model.empty()) info.base_model = json_value<std::string>(info.training, "model", "", where);
  result.deleted = json_value(meta, "expert_deleted", false, where);

  Json config = object_at(meta, "expert_config", where);
  if (config.empty()) config = info.training;
  const std::string modifier = modifier_of(config, where);
  if (modifier != "lora") {
    throw Error(ErrorKind::kUnsupported,
                where + (modifier.empty() ? ": it does not say what kind of adapter this is"
                                          : ": the adapter '" + modifier + "' is not supported"),
                "only plain LoRA can be imported");
  }
  LoraConfig& lora = info.lora;
  lora.rank = json_value(config, "lora_rank", lora.rank, where);
  lora.alpha = json_value(config, "lora_alpha", lora.alpha, where);
  lora.dropout = json_value(config, "lora_dropout", lora.dropout, where);
  lora.init_b_random = json_value(config, "lora_init_b_random", lora.init_b_random, where);
  lora.modify_modules = json_value(config, "modify_modules", lora.modify_modules, where);
  lora.modify_layers = json_value(config, "modify_layers", lora.modify_layers, where);
  result.tie_params = json_value<std::string>(config, "tie_params", "", where);
  if (lora.rank < 1 || !(lora.alpha > 0) || !std::isfinite(lora.alpha)) {
    throw Error(ErrorKind::kCorruptFile, where + ": lora_rank " + std::to_string(lora.rank) +
                                             " and lora_alpha " + std::to_string(lora.alpha) +
                                             " must be positive");
  }
  return result;
}

}  // namespace

MttlInfo parse_mttl_info(const Json& meta, const std::string& where) {
  return blame_file([&] { return parse(meta, where); });
}

TorchValue make_mttl_meta(const Expert& expert, std::int64_t rank, double alpha) {
  const ExpertInfo& info = expert.info;
  if (info.name.find('.') != std::string::npos) {
    throw Error(ErrorKind::kInvalidArgument,
                "mttl takes no '.' in the name of an expert: '" + info.name + "'", "rename the expert first");
  }
  for (const std::string& task : info.tasks) {
    if (task.find(',') == std::string::npos) continue;
    throw Error(ErrorKind::kInvalidArgument, "mttl takes no ',' in the name of a task: '" + task + "'");
  }
  const auto [modules, layers] = layer_patterns(expert);
  const TorchValue config{TorchValue::Dict{
      entry("modify_modules", {modules}),
      entry("class_name", {std::string(kLoraClass)}),
      entry("modify_layers", to_torch_value(layers)),
      entry("tie_params", {}),
      entry("lora_rank", {rank}),
      entry("lora_alpha", {alpha}),
      entry("lora_dropout", {info.lora.dropout}),
      entry("lora_init_b_random", {info.lora.init_b_random}),
  }};
  return {TorchValue::Dict{
      entry("expert_name", {info.name}),
      entry("class_name", {std::string(kEntryClass)}),
      entry("expert_task_name", text_or_none(join(info.tasks, ","))),
      entry("parent_node", {}),
      entry("expert_config", config),
      entry("training_config", to_torch_value(info.training)),
      entry("expert_model", text_or_none(info.base_model)),
      entry("expert_deleted", {false}),
  }};
}

}  // namespace quiver
