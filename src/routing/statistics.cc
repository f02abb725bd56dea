#include "routing/statistics.h"

#include <ATen/ATen.h>

#include <optional>
#include <set>

#include "core/json.h"
#include "core/strings.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

// What must not differ between experts whose prompts are compared.
constexpr const char* kCommonSettings[] = {"layers", "pooling", "max_input_length", "truncation_side", "bos"};
constexpr char kInputSuffix[] = ".input", kUnitInputSuffix[] = ".unit_input";

std::string command(const std::string& uri) { return "quiver prototypes statistics " + uri + " -c FILE"; }

// The statistics of one expert on their way in.
class Reader {
 public:
  Reader(const ExpertInfo& expert, const std::string& uri) : expert_(expert), uri_(uri) {}

  void require(bool valid, const std::string& problem) const {
    if (valid) return;
    throw Error(ErrorKind::kCorruptFile, "the statistics of expert '" + expert_.name + "' " + problem,
                "compute them again: " + command(uri_) + " --recompute");
  }

  template <typename T>
  T setting(const Json& settings, const char* key) const {
    const auto found = settings.find(key);
    require(found != settings.end(), std::string("say nothing of their ") + key);
    try {
      return found->get<T>();
    } catch (const Json::exception&) {
      require(false, std::string("have a '") + key + "' of the wrong type");
      throw;
    }
  }

  void check_base(const Json& settings, const std::string& fingerprint, const std::string& base_name) const {
    if (setting<std::string>(settings, "base_fingerprint") == fingerprint) return;
    throw Error(ErrorKind::kInvalidArgument,
                "the statistics of expert '" + expert_.name + "' are of the base model " +
                    setting<std::string>(settings, "base_model") + ", not of " + base_name,
                "load that base, or compute them with this one: " + command(uri_) + " --base BASE");
  }

  // Their tasks must be the expert's; one without tasks may have had another name.
  std::vector<std::string> tasks(const Json& settings) const {
    auto tasks = setting<std::vector<std::string>>(settings, "tasks");
    require(!tasks.empty(), "are of no task");
    if (expert_.tasks.empty() && tasks.size() == 1) return {expert_.name};
    if (std::set(tasks.begin(), tasks.end()) == std::set(expert_.tasks.begin(), expert_.tasks.end()))
      return tasks;
    throw Error(ErrorKind::kStale,
                "the statistics of expert '" + expert_.name +
                    "' are of other tasks than it has: " + join(tasks, ", "),
                "compute them again: " + command(uri_));
  }

  std::vector<std::int64_t> row_tasks(const at::Tensor& tensor, std::size_t tasks) const {
    require(tensor.dim() == 1 && tensor.scalar_type() == at::kLong && tensor.numel() > 0,
            "do not say which task each prompt is of");
    const at::Tensor rows = tensor.contiguous();
    const std::int64_t* first = rows.const_data_ptr<std::int64_t>();
    std::vector<std::int64_t> result(first, first + rows.numel());
    for (const std::int64_t task : result)
      require(task >= 0 && task < static_cast<std::int64_t>(tasks), "have a prompt of no task");
    return result;
  }

 private:
  const ExpertInfo& expert_;
  const std::string& uri_;
};

std::string layers_text(const ExpertStatistics& statistics) {
  std::vector<std::string> layers;
  for (const auto& [layer, rows] : statistics.features) layers.push_back(std::to_string(layer));
  return join(layers, ", ");
}

}  // namespace

std::string statistics_feature_key(std::int64_t layer) { return "layer." + std::to_string(layer) + ".mean"; }
std::string statistics_input_key(const std::string& path) { return path + kInputSuffix; }
std::string statistics_unit_input_key(const std::string& path) { return path + kUnitInputSuffix; }

Error no_statistics_error(const std::string& expert, const std::string& uri) {
  return {ErrorKind::kNotFound, "expert '" + expert + "' has no statistics in " + uri,
          "compute them with `" + command(uri) + "`"};
}

ExpertStatistics read_statistics(const ExpertInfo& expert, const Json& settings,
                                 const std::map<std::string, at::Tensor>& tensors,
                                 const std::string& fingerprint, const std::string& base_name,
                                 const std::string& uri) {
  const Reader reader(expert, uri);
  reader.check_base(settings, fingerprint, base_name);
  ExpertStatistics result;
  result.expert = expert.name;
  result.tasks = reader.tasks(settings);
  result.settings = settings;
  const auto tasks = tensors.find(kStatisticsTasksKey);
  reader.require(tasks != tensors.end(), "do not say which task each prompt is of");
  result.row_tasks = reader.row_tasks(tasks->second, result.tasks.size());
  const auto count = static_cast<std::int64_t>(result.row_tasks.size());
  for (const auto layer : reader.setting<std::vector<std::int64_t>>(settings, "layers")) {
    const auto found = tensors.find(statistics_feature_key(layer));
    const bool fits = found != tensors.end() && found->second.dim() == 2 && found->second.size(0) == count &&
                      found->second.scalar_type() == at::kFloat && all_finite(found->second);
    reader.require(fits, "hold no hidden states of layer " + std::to_string(layer) + " for each of " +
                             std::to_string(count) + " prompts");
    result.features[layer] = found->second;
  }
  for (const auto& [key, tensor] : tensors) {
    const bool is_unit = key.ends_with(kUnitInputSuffix);
    if (!is_unit && !key.ends_with(kInputSuffix)) continue;
    reader.require(tensor.dim() == 1 && tensor.scalar_type() == at::kFloat && all_finite(tensor),
                   "have a broken '" + key + "'");
    const std::string_view suffix = is_unit ? kUnitInputSuffix : kInputSuffix;
    (is_unit ? result.unit_inputs : result.inputs)[key.substr(0, key.size() - suffix.size())] = tensor;
  }
  return result;
}

void require_alike(std::span<const ExpertStatistics> experts, const std::string& uri) {
  for (const ExpertStatistics& expert : experts) {
    for (const char* key : kCommonSettings) {
      const Json first = experts.front().settings.value(key, Json()),
                 here = expert.settings.value(key, Json());
      if (first == here) continue;
      throw Error(ErrorKind::kInvalidArgument,
                  "the statistics of the experts '" + experts.front().expert + "' and '" + expert.expert +
                      "' were made with different settings: '" + key + "' is " + dump_json(first) + " and " +
                      dump_json(here),
                  "compute them alike: " + command(uri) + " --recompute");
    }
  }
}

PromptRows prompt_rows(std::span<const ExpertStatistics> experts, std::int64_t layer) {
  PromptRows rows;
  std::vector<at::Tensor> features;
  for (std::size_t e = 0; e < experts.size(); ++e) {
    const ExpertStatistics& expert = experts[e];
    const auto found = expert.features.find(layer);
    if (found == expert.features.end()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "the statistics of expert '" + expert.expert + "' have no hidden states of layer " +
                      std::to_string(layer),
                  "they have those of the layers " + layers_text(expert));
    }
    features.push_back(found->second);
    const auto first = static_cast<std::int64_t>(rows.owners.size());
    for (const std::int64_t task : expert.row_tasks) rows.tasks.push_back(first + task);
    rows.owners.insert(rows.owners.end(), expert.tasks.size(), e);
    rows.names.insert(rows.names.end(), expert.tasks.begin(), expert.tasks.end());
    if (features.front().size(1) != found->second.size(1)) {
      throw Error(ErrorKind::kInvalidArgument, "the statistics of the experts '" + experts.front().expert +
                                                   "' and '" + expert.expert + "' have different widths");
    }
  }
  if (!features.empty()) rows.features[layer] = at::cat(features);
  return rows;
}

}  // namespace quiver
