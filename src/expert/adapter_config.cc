#include "expert/adapter_config.h"

#include <algorithm>
#include <cmath>

#include "core/files.h"
#include "core/log.h"
#include "core/strings.h"
#include "expert/file_errors.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 4 << 20;
constexpr double kMaxRank = 1 << 20;

// True for what Python calls true: the extension that the key stands for is in use.
bool in_use(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw Error(ErrorKind::kUnsupported, where + ": " + what,
              "only plain LoRA on linear layers can be imported");
}

// Every extension of LoRA that changes what the adapter computes or trains.
void refuse_extensions(const Json& config, const std::string& where) {
  const std::string type = json_require<std::string>(config, "peft_type", where);
  if (type != "LORA") refuse(where, "adapter type '" + type + "' is not supported");
  static const std::pair<const char*, const char*> kExtensions[] = {
      {"use_dora", "weight-decomposed LoRA (DoRA)"},
      {"lora_bias", "a bias on lora_B"},
      {"modules_to_save", "whole trained modules"},
      {"trainable_token_indices", "trained token embeddings"},
      {"target_parameters", "LoRA on bare parameters"},
      {"layer_replication", "replicated layers"},
      {"alora_invocation_tokens", "activated LoRA (aLoRA)"},
      {"use_qalora", "quantization-aware LoRA (QALoRA)"},
      {"use_bdlora", "block-diagonal LoRA"},
      {"monteclora_config", "Monte Carlo LoRA"},
      {"arrow_config", "PEFT's own Arrow routing"},
      {"kasa_config", "KaSA"},
  };
  for (const auto& [key, meaning] : kExtensions) {
    const auto found = config.find(key);
    if (found != config.end() && in_use(*found)) {
      refuse(where, "'" + std::string(key) + "' is set: " + meaning + " is not supported");
    }
  }
  const std::string bias = json_value<std::string>(config, "bias", "none", where);
  if (bias != "none") refuse(where, "'bias' is '" + bias + "': trained biases are not supported");
  const auto init = config.find("init_lora_weights");
  if (init != config.end() && init->is_string()) {
    // PiSSA, OLoRA, CorDA and LoftQ change the base weights too; an adapter that was saved after conversion
    // says `true` here.
    const std::string& name = init->get_ref<const std::string&>();
    if (name != "gaussian" && name != "eva" && name != "orthogonal") {
      refuse(where, "'init_lora_weights' is '" + name + "': the adapter belongs to changed base weights");
    }
  }
}

double positive_number(const Json& value, const std::string& key, const std::string& where) {
  const double number = value.is_number() ? value.get<double>() : NAN;
  if (!(number > 0) || !std::isfinite(number)) {
    throw Error(ErrorKind::kCorruptFile,
                where + ": '" + key + "' must be a positive number, not " + dump_json(value).substr(0, 100));
  }
  return number;
}

double rank_number(const Json& value, const std::string& key, const std::string& where) {
  const double number = positive_number(value, key, where);
  if (number != std::floor(number) || number > kMaxRank) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' must be a whole number of at most " +
                                             std::to_string(static_cast<std::int64_t>(kMaxRank)) + ", not " +
                                             dump_json(value).substr(0, 100));
  }
  return number;
}

}  // namespace

AdapterConfig::Patterns AdapterConfig::read_patterns(const nlohmann::ordered_json& config,
                                                     const std::string& key, const std::string& where) {
  Patterns patterns;
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return patterns;
  if (!found->is_object()) throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' must be an object");
  for (const auto& [pattern, value] : found->items()) {
    const std::string entry = key + "." + pattern;
    const double number = key == "rank_pattern" ? rank_number(Json(value), entry, where)
                                                : positive_number(Json(value), entry, where);
    patterns.push_back({pattern, ModulePattern(pattern), number});
  }
  return patterns;
}

AdapterConfig AdapterConfig::read(const std::filesystem::path& path) {
  const std::string text = read_file(path, kMaxConfigBytes);
  return blame_file([&] { return parse(text, path.string()); });
}

AdapterConfig AdapterConfig::parse(const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where);
  if (!json.is_object()) throw Error(ErrorKind::kCorruptFile, where + ": not a JSON object");
  refuse_extensions(json, where);
  AdapterConfig config;
  config.base_model_ = json_value<std::string>(json, "base_model_name_or_path", "", where);
  config.targets_ = TargetModules(json, where);
  config.rank_stabilised_ = json_value<bool>(json, "use_rslora", false, where);
  // PEFT's defaults for keys that old files lack.
  config.lora_.rank = static_cast<std::int64_t>(rank_number(json.value("r", Json(8)), "r", where));
  config.lora_.alpha = positive_number(json.value("lora_alpha", Json(8)), "lora_alpha", where);
  config.lora_.dropout = json_value<double>(json, "lora_dropout", 0.0, where);
  // Again with the keys in the file's order, which decides between patterns; valid JSON, as parsed above.
  const nlohmann::ordered_json ordered = nlohmann::ordered_json::parse(text);
  config.rank_patterns_ = read_patterns(ordered, "rank_pattern", where);
  config.alpha_patterns_ = read_patterns(ordered, "alpha_pattern", where);
  return config;
}

void AdapterConfig::check(const std::vector<std::string>& modules, const std::string& where) const {
  targets_.check(modules, where);
  const auto warn_of_unmatched = [&](const char* name, const Patterns& patterns) {
    std::vector<std::string> unmatched;
    for (const Pattern& pattern : patterns) {
      const auto matches = [&](const std::string& module) { return pattern.modules.matches(module); };
      if (std::ranges::none_of(modules, matches)) unmatched.push_back("'" + pattern.key + "'");
    }
    if (unmatched.empty()) return;
    log_warning(where + ": keys of " + name +
                " in adapter_config.json match no module and are ignored: " + join(unmatched, ", "));
  };
  warn_of_unmatched("rank_pattern", rank_patterns_);
  warn_of_unmatched("alpha_pattern", alpha_patterns_);
}

std::int64_t AdapterConfig::rank(const std::string& module_path) const {
  for (const Pattern& pattern : rank_patterns_) {
    if (pattern.modules.matches(module_path)) return static_cast<std::int64_t>(pattern.value);
  }
  return lora_.rank;
}

double AdapterConfig::scale(const std::string& module_path) const {
  double alpha = lora_.alpha;
  for (const Pattern& pattern : alpha_patterns_) {
    if (pattern.modules.matches(module_path)) {
      alpha = pattern.value;
      break;
    }
  }
  const double module_rank = static_cast<double>(rank(module_path));
  return alpha / (rank_stabilised_ ? std::sqrt(module_rank) : module_rank);
}

}  // namespace quiver
