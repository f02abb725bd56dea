#include "tutorial_config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/json.h"
#include "core/log.h"
#include "core/strings.h"
#include "training_run.h"

namespace quiver::program {
namespace {

void check_keys(const Json& object, const std::vector<std::string>& known, const std::string& where) {
  if (!object.is_object()) throw Error(ErrorKind::kInvalidArgument, where + " must be a JSON object");
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw Error(ErrorKind::kInvalidArgument, where + ": unknown key '" + key + "'", did_you_mean(key, known));
  }
}

// Reads the numbers of one section; what leaves its range is refused with key, value and file.
class Numbers {
 public:
  Numbers(const Json& section, std::string where) : section_(section), where_(std::move(where)) {}

  std::int64_t whole(const char* key, std::int64_t fallback, std::int64_t least) const {
    constexpr double kMost = 1e9;
    const Json value = value_or(key, fallback);
    const double number = value.is_number() ? value.get<double>() : NAN;
    require(number == std::floor(number) && number >= static_cast<double>(least) && number <= kMost, key,
            value, "a whole number between " + std::to_string(least) + " and 1000000000");
    return static_cast<std::int64_t>(number);
  }

  // least <= x <= most
  double number(const char* key, double fallback, double least, double most, const char* wanted) const {
    const Json value = value_or(key, fallback);
    const double number = value.is_number() ? value.get<double>() : NAN;
    require(number >= least && number <= most, key, value, wanted);
    return number;
  }

 private:
  Json value_or(const char* key, const Json& fallback) const {
    const auto found = section_.find(key);
    return found == section_.end() || found->is_null() ? fallback : *found;
  }

  void require(bool valid, const char* key, const Json& value, const std::string& wanted) const {
    if (valid) return;
    throw Error(ErrorKind::kInvalidArgument,
                where_ + ": '" + key + "' is " + dump_json(value).substr(0, 200) + ", must be " + wanted);
  }

  const Json& section_;
  std::string where_;
};

RouterOptions read_router(const std::string& name, const std::string& where) {
  try {
    return parse_router(name);
  } catch (const Error& error) {
    throw Error(error.kind(), where + ": " + error.what(), error.hint());
  }
}

std::vector<RouterOptions> read_routers(const Json& section, const std::string& where) {
  std::vector<RouterOptions> routers;
  for (const std::string& name : json_require<std::vector<std::string>>(section, "routers", where)) {
    RouterOptions router = read_router(name, where);
    if (router_info(router).selects)
      router.top_k = static_cast<int>(Numbers(section, where).whole("top_k", router.top_k, 0));
    routers.push_back(std::move(router));
  }
  const auto selects = [](const RouterOptions& router) { return router_info(router).selects; };
  if (section.contains("top_k") && std::ranges::none_of(routers, selects))
    log_warning(where + ": 'top_k' is read by none of its routers");
  return routers;
}

// Without a key that 0.1.0 did not have, while it says what 0.1.0 did: its runs go on. So they do with
// statistics, which change none of what is there.
Json settings_of(const ExperimentConfig& config) {
  Json settings = to_json(config);
  if (config.bos == BeginOfText::kAuto) settings.erase("bos");
  if (config.shared_start) settings.erase("shared_start");
  if (config.statistics_rows == ExperimentConfig{}.statistics_rows) settings.erase("statistics_rows");
  return settings;
}

std::string text_of(const Json& file, const ExperimentConfig& experiment, const ExperimentConfig& clusters) {
  const Json settings = {
      {"file", file}, {"experiment", settings_of(experiment)}, {"cluster_experiment", settings_of(clusters)}};
  return dump_json(settings, 1) + "\n";
}

}  // namespace

TutorialConfig load_tutorial_config(const std::string& path, const std::vector<std::string>& overrides,
                                    const GlobalOptions& global) {
  const Json json = read_json_file(path, 16ull << 20);
  check_keys(json, {"experiment", "cluster_experiment", "clusters", "phatgoose", "rouge", "choices"}, path);
  TutorialConfig config;
  const Json experiment = json_require<Json>(json, "experiment", path);
  config.experiment = load_config(experiment, path + ": experiment", overrides);
  Json cluster_keys = experiment;
  cluster_keys.update(json_value(json, "cluster_experiment", Json::object(), path));
  config.cluster_experiment = load_config(cluster_keys, path + ": cluster_experiment", overrides);
  for (ExperimentConfig* part : {&config.experiment, &config.cluster_experiment}) {
    apply_global_options(global, *part);
    validate_for_training(*part);
  }

  const Json clusters = json_require<Json>(json, "clusters", path);
  check_keys(clusters, {"k", "sparsity"}, path + ": clusters");
  const Numbers cluster_numbers(clusters, path + ": clusters");
  config.clusters.k = cluster_numbers.whole("k", config.clusters.k, 1);
  config.clusters.sparsity = cluster_numbers.number("sparsity", config.clusters.sparsity, 0,
                                                    std::nextafter(1.0, 0.0), "at least 0 and below 1");
  config.clusters.seed = static_cast<std::uint64_t>(config.experiment.seed);

  const Json gates = json_value(json, "phatgoose", Json::object(), path);
  check_keys(gates, {"n_steps", "learning_rate", "warmup_ratio", "batch_size"}, path + ": phatgoose");
  config.gates = default_gate_options();
  const Numbers gate_numbers(gates, path + ": phatgoose");
  config.gates.total_steps = gate_numbers.whole("n_steps", config.gates.total_steps, 1);
  config.gates.learning_rate = gate_numbers.number("learning_rate", config.gates.learning_rate, 0,
                                                   std::numeric_limits<float>::max(), "0 or more");
  config.gates.warmup_proportion =
      gate_numbers.number("warmup_ratio", config.gates.warmup_proportion, 0, 1, "between 0 and 1");
  config.gates.batch_size = gate_numbers.whole("batch_size", config.gates.batch_size, 1);
  config.gates.seed = config.clusters.seed;
  config.gates.max_input_length = config.experiment.max_input_length;
  config.gates.truncation_side = config.experiment.truncation_side;

  const Json rouge = json_require<Json>(json, "rouge", path);
  check_keys(rouge, {"routers", "top_k", "max_new_tokens"}, path + ": rouge");
  config.rouge_routers = read_routers(rouge, path + ": rouge");
  config.max_new_tokens =
      Numbers(rouge, path + ": rouge").whole("max_new_tokens", config.experiment.max_output_length, 1);

  if (json.contains("choices")) {
    const Json& section = json.at("choices");
    check_keys(section, {"data", "task", "routers", "top_k", "limit"}, path + ": choices");
    config.choices = TutorialConfig::Choices{json_require<std::string>(section, "data", path),
                                             json_value<std::string>(section, "task", "choices", path),
                                             Numbers(section, path + ": choices").whole("limit", 0, 0),
                                             read_routers(section, path + ": choices")};
    const std::string& data = config.choices->data;
    if (!data.empty() && data[0] == '$') {
      const char* value = std::getenv(data.c_str() + 1);
      if (value == nullptr) {
        throw Error(ErrorKind::kInvalidArgument,
                    path + ": the environment variable '" + data.substr(1) + "' is not set");
      }
      config.choices->data = value;
    }
  }
  for (RouterOptions& router : config.rouge_routers) router.bos = config.experiment.bos;
  if (config.choices) {
    for (RouterOptions& router : config.choices->routers) router.bos = config.experiment.bos;
  }
  config.text = text_of(json, config.experiment, config.cluster_experiment);
  TutorialConfig shared = config;
  for (ExperimentConfig* part : {&shared.experiment, &shared.cluster_experiment}) part->shared_start = true;
  config.shared_start_text = text_of(json, shared.experiment, shared.cluster_experiment);
  return config;
}

}  // namespace quiver::program
