#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/strings.h"
#include "experiment/config_keys.h"
#include "experiment/config_values.h"
#include "quiver/experiment.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 16 << 20;

std::filesystem::path find_config_file(const std::string& name) {
  std::vector<std::filesystem::path> folders = {{}};
  if (const char* config_path = std::getenv("CONFIG_PATH")) folders.emplace_back(config_path);
  std::vector<std::string> tried;
  std::optional<std::filesystem::path> folder_of_that_name;
  for (const std::filesystem::path& folder : folders) {
    for (const char* extension : {"", ".json"}) {
      const std::filesystem::path path = folder / (name + extension);
      if (path_exists(path)) {
        if (!std::filesystem::is_directory(path)) return path;
        if (*extension == '\0') folder_of_that_name = path;
      }
      tried.push_back("'" + path.string() + "'");
    }
  }
  if (folder_of_that_name) {
    throw Error(ErrorKind::kIo, "config file '" + folder_of_that_name->string() + "' is a folder",
                "name a JSON file in it");
  }
  throw Error(ErrorKind::kNotFound, "config file '" + name + "' not found",
              "looked for " + join(tried, ", ") +
                  (folders.size() == 1 ? "; $CONFIG_PATH can name another folder" : ""));
}

// The last setting of a key wins; an alias takes the place of the key it stands for.
void add_setting(ConfigSettings& settings, const std::string& key, ConfigSetting setting) {
  settings[key == "clip_norm" ? "max_grad_norm" : key] = std::move(setting);
}

void add_object(ConfigSettings& settings, const Json& object, const std::string& origin) {
  if (!object.is_object()) {
    throw Error(ErrorKind::kInvalidArgument,
                origin + ": must hold a JSON object, holds " + object.type_name());
  }
  for (const auto& [key, value] : object.items()) add_setting(settings, key, {value, "", origin});
}

void add_overrides(ConfigSettings& settings, const std::vector<std::string>& overrides) {
  ConfigSettings given;
  for (const std::string& text : overrides) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorKind::kInvalidArgument, "-k '" + text + "': must read key=value");
    }
    const std::string key = text.substr(0, equals);
    const std::string value = text.substr(equals + 1);
    const auto [found, is_new] =
        given.try_emplace(key, ConfigSetting{parse_config_literal(value), value, "-k"});
    if (is_new) continue;
    // As in mttl, a key given twice becomes a list, which only a key that takes a list accepts.
    Json& merged = found->second.value;
    if (!merged.is_array()) merged = Json::array({found->second.text});
    merged.push_back(value);
  }
  for (auto& [key, setting] : given) add_setting(settings, key, std::move(setting));
}

void check_model_modifier(ConfigSettings& settings) {
  const auto found = settings.find("model_modifier");
  if (found == settings.end()) return;
  if (!found->second.value.is_null() && found->second.value != "lora") {
    throw Error(
        ErrorKind::kUnsupported,
        found->second.origin + ": model_modifier " + dump_json(found->second.value) + " is not supported",
        "the only adapter type is 'lora'");
  }
  settings.erase(found);
}

// mttl's `subsample` n keeps one row in n of every split that has no setting of its own.
void apply_subsample_divisor(ConfigSettings& settings, ExperimentConfig& config) {
  const auto found = settings.find("subsample");
  if (found == settings.end()) return;
  std::int64_t divisor = -1;
  if (!found->second.value.is_null()) assign("subsample", found->second, divisor);
  if (divisor != -1 && divisor < 1) throw_bad_setting("subsample", found->second, "-1 or at least 1");
  for (double* rows : {&config.subsample_train, &config.subsample_dev, &config.subsample_test}) {
    if (divisor > 1 && *rows == -1) *rows = 1.0 / static_cast<double>(divisor);
  }
  settings.erase(found);
}

// Takes the settings that name a field out of `settings`; returns the names of all fields.
std::vector<std::string> assign_fields(ConfigSettings& settings, ExperimentConfig& config) {
  std::vector<std::string> keys = {"clip_norm", "model_modifier", "subsample"};
  visit_config(config, [&](const std::string& key, auto& field) {
    keys.push_back(key);
    const auto found = settings.find(key);
    if (found == settings.end()) return;
    // null stands for the default, which for an optional field is its absence.
    if (!found->second.value.is_null()) assign(key, found->second, field);
    settings.erase(found);
  });
  return keys;
}

void reject_unknown_keys(const ConfigSettings& rest, const std::vector<std::string>& keys) {
  std::vector<std::string> ignored;
  for (const auto& [key, setting] : rest) {
    if (!is_reference_only_key(key)) {
      throw Error(ErrorKind::kInvalidArgument, setting.origin + ": unknown config key '" + key + "'",
                  did_you_mean(key, keys));
    }
    ignored.push_back(key);
  }
  if (!ignored.empty()) log_warning("config keys without meaning here, ignored: " + join(ignored, ", "));
}

void expand_task_sets(ExperimentConfig& config) {
  std::vector<std::string>& tasks = config.finetune_task_name;
  // "all" is the command line's word for no restriction.
  if (tasks.size() == 1 && (tasks[0] == "all" || tasks[0] == "*")) tasks.clear();
  const std::string path = config.finetune_task_path.value_or("");
  config.task_sets_file = path;
  const Json sets = config.finetune_task_path ? read_json_file(path, kMaxConfigBytes) : Json::object();
  if (!sets.is_object()) {
    throw Error(ErrorKind::kCorruptFile,
                path + ": must hold an object of task lists, holds " + sets.type_name());
  }
  if (tasks.empty()) {
    for (const auto& [name, list] : sets.items()) tasks.push_back(name);
  }
  std::vector<std::string> expanded;
  for (const std::string& name : tasks) {
    const std::vector<std::string> set =
        sets.contains(name) ? json_require<std::vector<std::string>>(sets, name, path) : std::vector{name};
    if (set.empty())
      throw Error(ErrorKind::kInvalidArgument, path + ": '" + name + "' lists no task",
                  "name one, or leave it out");
    config.task_sets.emplace_back(name, set);
    for (const std::string& task : set) {
      if (std::ranges::find(expanded, task) == expanded.end()) expanded.push_back(task);
    }
  }
  tasks = std::move(expanded);
  config.finetune_task_path.reset();
}

ExperimentConfig config_from_settings(ConfigSettings settings) {
  ExperimentConfig config;
  if (const char* output_dir = std::getenv("OUTPUT_DIR")) config.output_dir = output_dir;
  const ConfigSettings given = settings;
  const std::vector<std::string> keys = assign_fields(settings, config);
  check_model_modifier(settings);
  apply_subsample_divisor(settings, config);
  reject_unknown_keys(settings, keys);
  validate_ranges(config, given);
  expand_task_sets(config);
  return config;
}

ExperimentConfig config_with_overrides(ConfigSettings settings, const std::vector<std::string>& overrides) {
  add_overrides(settings, overrides);
  for (auto& [key, setting] : settings) substitute_environment(setting.value, key);
  return config_from_settings(std::move(settings));
}

}  // namespace

ExperimentConfig load_config(const std::string& files, const std::vector<std::string>& overrides) {
  ConfigSettings settings;
  for (const std::string& name : split_list(files, '+')) {
    const std::filesystem::path path = find_config_file(name);
    add_object(settings, read_json_file(path, kMaxConfigBytes), "config file " + path.string());
  }
  return config_with_overrides(std::move(settings), overrides);
}

ExperimentConfig load_config(const Json& keys, const std::string& where,
                             const std::vector<std::string>& overrides) {
  ConfigSettings settings;
  add_object(settings, keys, where);
  return config_with_overrides(std::move(settings), overrides);
}

void validate_for_training(const ExperimentConfig& config) {
  const auto missing = [](const std::string& what) {
    throw Error(ErrorKind::kInvalidArgument, "config: training needs " + what);
  };
  if (!config.model) missing("'model'");
  if (!config.dataset) missing("'dataset'");
  if (config.num_train_epochs == -1 && config.total_steps == -1)
    missing("'num_train_epochs' or 'total_steps'");
}

Json to_json(const ExperimentConfig& config) {
  Json object = Json::object();
  visit_config(config, [&](const char* key, const auto& field) { object[key] = field_json(field); });
  return object;
}

}  // namespace quiver
