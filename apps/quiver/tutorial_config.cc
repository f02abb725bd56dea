#include "tutorial_config.h"

#include "core/files.h"
#include "core/json.h"
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

// A section as a config file of its own, so that everything load_config understands works in it.
ExperimentConfig load_section(const Json& keys, const std::vector<std::string>& overrides) {
  const TemporaryDirectory scratch(std::filesystem::temp_directory_path());
  const std::filesystem::path file = scratch.path() / "experiment.json";
  write_file_atomic(file, dump_json(keys));
  return load_config(file.string(), overrides);
}

std::vector<RouterOptions> read_routers(const Json& section, const std::string& where) {
  std::vector<RouterOptions> routers;
  for (const std::string& name : json_require<std::vector<std::string>>(section, "routers", where)) {
    RouterOptions router = parse_router(name);
    const bool selects = router.kind == RouterKind::kArrow || router.kind == RouterKind::kPhatgoose;
    if (selects) router.top_k = json_value(section, "top_k", router.top_k, where);
    routers.push_back(std::move(router));
  }
  return routers;
}

// Without a key that 0.1.0 did not have, while it says what 0.1.0 did: its runs go on.
Json settings_of(const ExperimentConfig& config) {
  Json settings = to_json(config);
  if (config.bos == BeginOfText::kAuto) settings.erase("bos");
  return settings;
}

}  // namespace

TutorialConfig load_tutorial_config(const std::string& path, const std::vector<std::string>& overrides,
                                    const GlobalOptions& global) {
  const Json json = read_json_file(path, 16ull << 20);
  check_keys(json, {"experiment", "cluster_experiment", "clusters", "phatgoose", "rouge", "choices"}, path);
  TutorialConfig config;
  const Json experiment = json_require<Json>(json, "experiment", path);
  config.experiment = load_section(experiment, overrides);
  Json cluster_keys = experiment;
  cluster_keys.update(json_value(json, "cluster_experiment", Json::object(), path));
  config.cluster_experiment = load_section(cluster_keys, overrides);
  for (ExperimentConfig* part : {&config.experiment, &config.cluster_experiment}) {
    apply_global_options(global, *part);
    validate_for_training(*part);
  }

  const Json clusters = json_require<Json>(json, "clusters", path);
  check_keys(clusters, {"k", "sparsity"}, path + ": clusters");
  config.clusters.k = json_value(clusters, "k", config.clusters.k, path);
  config.clusters.sparsity = json_value(clusters, "sparsity", config.clusters.sparsity, path);
  config.clusters.seed = static_cast<std::uint64_t>(config.experiment.seed);

  const Json gates = json_value(json, "phatgoose", Json::object(), path);
  check_keys(gates, {"n_steps", "learning_rate", "warmup_ratio", "batch_size"}, path + ": phatgoose");
  config.gates = default_gate_options();
  config.gates.total_steps = json_value(gates, "n_steps", config.gates.total_steps, path);
  config.gates.learning_rate = json_value(gates, "learning_rate", config.gates.learning_rate, path);
  config.gates.warmup_proportion = json_value(gates, "warmup_ratio", config.gates.warmup_proportion, path);
  config.gates.batch_size = json_value(gates, "batch_size", config.gates.batch_size, path);
  config.gates.seed = config.clusters.seed;
  config.gates.max_input_length = config.experiment.max_input_length;
  config.gates.truncate_left = config.experiment.truncation_side == TruncationSide::kLeft;

  const Json rouge = json_require<Json>(json, "rouge", path);
  check_keys(rouge, {"routers", "top_k", "max_new_tokens"}, path + ": rouge");
  config.rouge_routers = read_routers(rouge, path);
  config.max_new_tokens = json_value(rouge, "max_new_tokens", config.experiment.max_output_length, path);

  if (json.contains("choices")) {
    const Json& section = json.at("choices");
    check_keys(section, {"data", "task", "routers", "top_k", "limit"}, path + ": choices");
    config.choices = TutorialConfig::Choices{json_require<std::string>(section, "data", path),
                                             json_value<std::string>(section, "task", "choices", path),
                                             json_value<std::int64_t>(section, "limit", 0, path),
                                             read_routers(section, path)};
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
  config.text = dump_json({{"file", json},
                           {"experiment", settings_of(config.experiment)},
                           {"cluster_experiment", settings_of(config.cluster_experiment)}},
                          1) +
                "\n";
  return config;
}

}  // namespace quiver::program
