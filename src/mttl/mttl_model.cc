#include "mttl/mttl_model.h"

#include <algorithm>
#include <optional>

#include "expert/module_names.h"
#include "mttl/mttl_artefacts.h"
#include "mttl/mttl_weights.h"
#include "quiver/error.h"
#include "storage/names.h"
#include "tensor/finite.h"
#include "tensor/torch_file.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr std::string_view kWrapper = "model.";
constexpr std::string_view kPrototypes = ".selector.prototypes";
constexpr std::string_view kPolyLogits = ".selector.module_logits";
constexpr char kPoly[] = "poly";

// The settings of the router: the selector's own, or those of the one selector for LoRAs.
Json router_settings(const Json& selector) {
  if (!selector.is_object()) return {};
  if (selector.contains("lora")) return router_settings(selector.at("lora"));
  if (selector.contains("selectors")) return router_settings(selector.at("selectors"));
  return selector;
}

std::string selector_class(const Json& selector) {
  if (!selector.contains("class_name") || !selector.at("class_name").is_string()) return "";
  const auto name = selector.at("class_name").get<std::string>();
  return name.substr(name.rfind('.') + 1);
}

std::string artefact_kind(const Json& selector) {
  const std::string name = selector_class(selector);
  if (name == "ArrowSelectorConfig") return "arrow";
  if (name == "PhatgooseSelectorConfig") return "phatgoose";
  if (name == "PolySelectorConfig") return kPoly;
  return "";
}

// One tensor of a routed model, taken apart: "<module>.experts.<expert>.lora_a" in version 1.0,
// "<module>.lora_a.<expert>" later.
struct ExpertTensor {
  std::string expert;
  std::string name;  // "<module>.lora_a"
};

std::optional<ExpertTensor> split_expert(const std::string& name) {
  const std::size_t last = name.rfind('.');
  if (last == std::string::npos) return std::nullopt;
  const std::string end = name.substr(last);
  std::string rest = name.substr(0, last);
  if (end == ".lora_a" || end == ".lora_b") {
    constexpr std::string_view kExperts = ".experts.";
    const std::size_t experts = rest.rfind(kExperts);
    if (experts == std::string::npos) return std::nullopt;
    return ExpertTensor{rest.substr(experts + kExperts.size()), rest.substr(0, experts) + end};
  }
  if (rest.ends_with(".lora_a") || rest.ends_with(".lora_b")) return ExpertTensor{end.substr(1), rest};
  return std::nullopt;
}

// Gives each module its logits: its own, or those of the only router of the whole model.
void spread_poly(Artefact& artefact, const Expert& expert, const std::string& where) {
  const auto rows = static_cast<std::int64_t>(artefact.settings.at("tasks").size()) + 1;
  for (const auto& [module, logits] : artefact.tensors) {
    if (logits.size(0) == rows && all_finite(logits)) continue;
    throw Error(ErrorKind::kCorruptFile, where + ": the logits of '" + module + "' are not " +
                                             std::to_string(rows) +
                                             " finite numbers, one a task and one for all others");
  }
  const bool is_one = artefact.tensors.size() == 1;
  const at::Tensor only = artefact.tensors.begin()->second;
  for (const auto& [path, weights] : expert.modules) {
    if (artefact.tensors.contains(path)) continue;
    if (!is_one)
      throw Error(ErrorKind::kCorruptFile, where + ": no logits of poly_router for '" + path + "'");
    artefact.tensors[path] = only;
  }
}

}  // namespace

MttlModel::MttlModel(const fs::path& directory, std::vector<std::string>& left_out,
                     std::vector<std::string>& problems)
    : weights_path_(directory / "mttl_weights.bin") {
  const fs::path config_path = directory / "mttl_config.json";
  const std::string where = config_path.string();
  const Json config = read_json_file(config_path, 64 << 20);
  if (!config.is_object()) throw Error(ErrorKind::kCorruptFile, where + ": not a JSON object");
  const Json base = config.value("base_model", Json());
  const Json experts = config.value("expert_infos", Json());
  if (experts.is_array()) {
    for (Json meta : experts) {
      if (meta.is_object() && meta.value("expert_model", Json()).is_null()) meta["expert_model"] = base;
      add_expert(meta, problems);
    }
  } else {
    const Json name = config.value("expert_name", Json());
    add_expert({{"expert_name", name.is_null() ? Json(directory.filename().string()) : name},
                {"expert_task_name", config.value("task_name", Json())},
                {"expert_model", base},
                {"expert_config", config.value("modifier_config", Json())}},
               problems);
  }
  selector_ = router_settings(config.value("selector_config", Json()));
  artefact_kind_ = artefact_kind(selector_);
  sort_tensors(experts.is_array(), left_out);
}

void MttlModel::add_expert(const Json& meta, std::vector<std::string>& problems) {
  const std::string where = weights_path_.parent_path() / "mttl_config.json";
  // Its row of the prototypes stays its own where the rest is broken.
  order_.push_back(meta.is_object() && meta.value("expert_name", Json()).is_string()
                       ? meta.at("expert_name").get<std::string>()
                       : "");
  try {
    const MttlInfo info = parse_mttl_info(meta, where);
    require_valid_name(info.info.name, where + ": expert name");
    if (!infos_.emplace(info.info.name, info).second) {
      throw Error(ErrorKind::kCorruptFile, where + ": there are two experts '" + info.info.name + "'");
    }
  } catch (const Error& error) {
    problems.push_back(error.what());
  }
}

void MttlModel::sort_tensors(bool routed, std::vector<std::string>& left_out) {
  for (const auto& [stored, tensor] : read_torch_tensors(weights_path_)) {
    const std::string name = stored.starts_with(kWrapper) ? stored.substr(kWrapper.size()) : stored;
    if (!routed) {
      for (const auto& [expert, info] : infos_) tensors_[expert].emplace(name, tensor);
    } else if (const std::optional<ExpertTensor> part = split_expert(name)) {
      tensors_[part->expert].emplace(part->name, tensor);
    } else if (name.ends_with(kPrototypes) && !artefact_kind_.empty() && artefact_kind_ != kPoly) {
      prototypes_.emplace(name.substr(0, name.size() - kPrototypes.size()), tensor);
    } else if (name.ends_with(kPolyLogits) && artefact_kind_ == kPoly) {
      prototypes_.emplace(name.substr(0, name.size() - kPolyLogits.size()), tensor.t());
    } else {
      left_out.push_back(weights_path_.filename().string() + ": " + stored);
    }
  }
}

std::vector<std::string> MttlModel::names() const {
  std::vector<std::string> names;
  for (const auto& [name, info] : infos_) names.push_back(name);
  return names;
}

std::vector<std::string> MttlModel::poly_tasks(const std::string& where) const {
  const Json splits = selector_.value("n_splits", Json(1)), tasks = selector_.value("task_names", Json());
  if (!splits.is_null() && splits != Json(1)) {
    throw Error(ErrorKind::kUnsupported, where + ": its poly_router has n_splits " + dump_json(splits) +
                                             "; Quiver has one weight an expert and layer");
  }
  if (tasks.is_null()) return {};
  try {
    return tasks.get<std::vector<std::string>>();
  } catch (const Json::exception&) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'task_names' of its poly_router is no list of names");
  }
}

MttlExpert MttlModel::read(const std::string& name, std::vector<std::string>&,
                           std::vector<std::string>& problems) {
  const MttlInfo& info = infos_.at(name);
  const std::string where = weights_path_.string() + ", expert '" + name + "'";
  MttlExpert result;
  result.expert = with_plain_names({info.info, make_lora_modules(tensors_[name], info, where)}, where);
  if (prototypes_.empty()) return result;
  try {
    const std::int64_t row = std::ranges::find(order_, name) - order_.begin();
    Artefact artefact{.settings = imported_settings(nullptr), .tensors = {}};
    if (artefact_kind_ == kPoly) artefact.settings["tasks"] = poly_tasks(where);
    for (const auto& [module, rows] : prototypes_) {
      if (rows.dim() != 2 || rows.size(0) != static_cast<std::int64_t>(order_.size())) {
        throw Error(ErrorKind::kCorruptFile, weights_path_.string() + ": the prototypes of '" + module +
                                                 "' have not one row for each of " +
                                                 std::to_string(order_.size()) + " experts");
      }
      artefact.tensors[split_module_name(module).path] = rows[row].to(at::kFloat).contiguous();
    }
    if (artefact_kind_ == kPoly) {
      spread_poly(artefact, result.expert, where);
    } else {
      check_vectors(artefact.tensors, result.expert, where);
    }
    result.artefacts.emplace(artefact_kind_, std::move(artefact));
  } catch (const Error& error) {
    problems.push_back(error.what());
  }
  return result;
}

}  // namespace quiver
