#include <algorithm>

#include "core/json.h"
#include "core/strings.h"
#include "data/task_preprocessor.h"
#include "data/task_template.h"
#include "quiver/task.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxBytes = 4 << 20;

const std::vector<std::string> kKeys = {
    "name",        "repository",      "config", "skip_configs", "split",      "preprocess",     "description",
    "prompt",      "prompts",         "shots",  "shots_split",  "choices",    "continuation",   "gold",
    "labels",      "target",          "stop",   "delimiter",    "extraction", "max_new_tokens", "metrics",
    "main_metric", "description_file"};
const std::vector<std::string> kChoiceMetrics = {"acc", "acc_norm", "mttl"};

bool contains(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

AnswerExtraction parse_extraction(const std::string& name, const std::string& where) {
  if (name.empty() || name == "whole") return AnswerExtraction::kWhole;
  if (name == "the_answer_is") return AnswerExtraction::kTheAnswerIs;
  throw Error(ErrorKind::kInvalidArgument, where + ": unknown extraction '" + name.substr(0, 100) + "'",
              "it is whole or the_answer_is");
}

// A key that is a path to a list in the row, or a list in the definition.
void read_either(const Json& json, const char* key, const std::string& where, std::string& path,
                 std::vector<std::string>& list) {
  if (json.contains(key) && json.at(key).is_array()) {
    list = json_value<std::vector<std::string>>(json, key, {}, where);
  } else {
    path = json_value<std::string>(json, key, "", where);
  }
}

// `json` tells what is there and empty from what is not there.
void check(const TaskDefinition& task, const Json& json, const std::string& where) {
  const auto has = [&](const char* key) { return json.contains(key) && !json.at(key).is_null(); };
  const auto require = [&](bool holds, const std::string& message) {
    if (!holds) throw Error(ErrorKind::kInvalidArgument, where + ": " + message);
  };
  // The name becomes a key of results.json and a folder's name.
  require(!task.name.empty() && task.name.find_first_of("/,") == std::string::npos && task.name[0] != '.',
          "'name' must not be empty, begin with '.', or hold '/' or ','");
  require(!task.split.empty(), "'split' is missing");
  for (const char* key : {"prompts", "choices", "gold", "target"})
    require(!has(key) || !(json.at(key).empty() || json.at(key) == ""),
            "'" + std::string(key) + "' is empty");
  require(has("prompt") != has("prompts"), "either 'prompt' or 'prompts' must be there");
  require(task.shots >= 0, "'shots' is " + std::to_string(task.shots) + ", must be 0 or more");
  require(task.max_new_tokens > 0,
          "'max_new_tokens' is " + std::to_string(task.max_new_tokens) + ", must be at least 1");
  require(task.shots == 0 || !task.shots_split.empty(), "'shots' needs 'shots_split'");
  require(task.prompts.empty() || task.shots_split.empty(), "'prompts' and 'shots_split' exclude each other");
  require(task.description.empty() || task.description_file.empty(),
          "'description' and 'description_file' exclude each other");
  const bool has_choices = !task.choice_list.empty() || !task.choices.empty();
  require(has_choices != task.writes_text(), "either 'choices' or 'target' must be there");
  require(has_choices == !task.gold.empty(), "'gold' goes with 'choices'");
  require(has("prompts") == has("continuation"), "'continuation' goes with 'prompts'");
  require(has_choices || task.prompts.empty(), "'prompts' goes with 'choices'");
  require(task.choices.size() != 1, "'choices' lists one choice, a question needs two");
  require(task.choices.empty() || task.labels.empty() || task.choices.size() == task.labels.size(),
          "'labels' has " + std::to_string(task.labels.size()) + " entries, 'choices' " +
              std::to_string(task.choices.size()));
  require(!task.metrics.empty(), "'metrics' is missing");
  const std::vector<std::string> known =
      has_choices ? kChoiceMetrics : std::vector<std::string>{"exact_match"};
  for (const std::string& metric : task.metrics)
    require(contains(known, metric), "metric '" + metric + "' is none of " + join(known, ", "));
  require(contains(task.metrics, task.main_metric), "'main_metric' must be one of 'metrics'");
}

// A brace out of place is the definition's fault, not that of the first row.
void check_templates(const TaskDefinition& task, const std::string& where) {
  for (const auto& [key, pattern] :
       {std::pair<const char*, const std::string&>{"description", task.description},
        {"prompt", task.prompt},
        {"continuation", task.continuation},
        {"target", task.target}}) {
    template_paths(pattern, where + ": '" + key + "'");
  }
  for (const std::string& choice : task.choices) template_paths(choice, where + ": 'choices'");
}

}  // namespace

TaskDefinition read_task_definition(const std::filesystem::path& path) {
  const std::string where = path.string();
  const Json json = read_json_file(path, kMaxBytes);
  if (!json.is_object())
    throw Error(ErrorKind::kInvalidArgument, where + ": a task definition must be a JSON object");
  for (const auto& [key, value] : json.items()) {
    if (!contains(kKeys, key)) {
      throw Error(ErrorKind::kInvalidArgument, where + ": unknown key '" + key.substr(0, 100) + "'",
                  did_you_mean(key, kKeys));
    }
  }
  const auto text = [&](const char* key) { return json_value<std::string>(json, key, "", where); };
  const auto texts = [&](const char* key) {
    return json_value<std::vector<std::string>>(json, key, {}, where);
  };
  TaskDefinition task;
  task.name = text("name");
  task.repository = text("repository");
  task.config = text("config");
  task.skip_configs = texts("skip_configs");
  task.split = text("split");
  task.preprocess = text("preprocess");
  task.description = text("description");
  task.description_file = text("description_file");
  task.prompt = text("prompt");
  task.prompts = text("prompts");
  task.delimiter = json_value<std::string>(json, "delimiter", task.delimiter, where);
  task.shots = json_value<std::int64_t>(json, "shots", 0, where);
  task.shots_split = text("shots_split");
  read_either(json, "choices", where, task.choice_list, task.choices);
  task.continuation = text("continuation");
  task.gold = text("gold");
  read_either(json, "labels", where, task.label_list, task.labels);
  task.target = text("target");
  task.stop = texts("stop");
  task.max_new_tokens = json_value<std::int64_t>(json, "max_new_tokens", task.max_new_tokens, where);
  task.extraction = parse_extraction(text("extraction"), where);
  task.metrics = texts("metrics");
  task.main_metric = text("main_metric");
  check(task, json, where);
  check_templates(task, where);
  find_preprocessor(task.preprocess, where);
  return task;
}

}  // namespace quiver
