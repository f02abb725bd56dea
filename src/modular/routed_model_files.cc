#include <filesystem>

#include "core/files.h"
#include "core/json.h"
#include "core/strings.h"
#include "modular/routed_model_state.h"
#include "routing/prototypes.h"
#include "tensor/finite.h"
#include "tensor/safetensors.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr char kModelFile[] = "quiver_model.json";
constexpr char kTensorFile[] = "experts.safetensors";
constexpr int kFormat = 1;

Json expert_to_json(const ExpertInfo& info) {
  return {{"name", info.name},
          {"tasks", info.tasks},
          {"base_model", info.base_model},
          {"base_fingerprint", info.base_fingerprint},
          {"rank", info.lora.rank},
          {"alpha", info.lora.alpha},
          {"training", info.training}};
}

ExpertInfo expert_from_json(const Json& json, const std::string& where) {
  ExpertInfo info;
  info.name = json_require<std::string>(json, "name", where);
  info.tasks = json_require<std::vector<std::string>>(json, "tasks", where);
  info.base_model = json_value<std::string>(json, "base_model", "", where);
  info.base_fingerprint = json_value<std::string>(json, "base_fingerprint", "", where);
  info.lora.rank = json_value(json, "rank", info.lora.rank, where);
  info.lora.alpha = json_value(json, "alpha", info.lora.alpha, where);
  info.training = json_value(json, "training", Json::object(), where);
  return info;
}

// A tensor of the folder, with the shape that the base and the number of experts ask for; rank 0 means any.
at::Tensor read_checked(const SafetensorsFile& file, const std::string& name,
                        std::vector<std::int64_t> shape) {
  if (!file.contains(name)) {
    throw Error(ErrorKind::kCorruptFile, std::string(kTensorFile) + ": tensor '" + name + "' is missing");
  }
  const at::Tensor tensor = file.read(name);
  if (tensor.dim() == static_cast<std::int64_t>(shape.size()) && shape.size() == 3) shape[1] = tensor.size(1);
  if (tensor.scalar_type() != at::kFloat || tensor.sizes() != at::IntArrayRef(shape)) {
    throw Error(ErrorKind::kCorruptFile,
                std::string(kTensorFile) + ": tensor '" + name + "' has another shape or type");
  }
  if (!all_finite(tensor)) {
    throw Error(ErrorKind::kCorruptFile,
                std::string(kTensorFile) + ": '" + name + "' holds numbers that are not finite");
  }
  return tensor;
}

}  // namespace

bool RoutedModel::is_saved_model(const fs::path& path) {
  std::error_code unreadable;  // whoever opens the path says what is wrong with it
  return fs::exists(path / kModelFile, unreadable);
}

void RoutedModel::save(const fs::path& directory) const {
  const fs::path target = check_output_directory(directory);
  if (fs::exists(target) && !is_saved_model(target) && !fs::is_empty(target)) {
    throw Error(ErrorKind::kAlreadyExists,
                "'" + directory.string() + "' holds something else than a routed model",
                "give another --out");
  }
  if (fs::exists(target)) {
    for (const auto& entry : fs::directory_iterator(target)) {
      const fs::path name = entry.path().filename();
      if (name == kModelFile || name == kTensorFile) continue;
      throw Error(ErrorKind::kAlreadyExists,
                  "'" + directory.string() + "' also holds " + name.string() + ", which would be lost",
                  "give another --out");
    }
  }
  const TemporaryDirectory scratch(target.parent_path());
  Json experts = Json::array();
  std::map<std::string, at::Tensor> tensors;
  if (state_->experts) {
    for (const ExpertInfo& info : state_->experts->experts) experts.push_back(expert_to_json(info));
    for (const auto& [slot, stacked] : state_->experts->slots) {
      const std::string& path = base_->slots()[static_cast<std::size_t>(slot)].path;
      tensors[path + ".a"] = stacked.a.cpu();
      tensors[path + ".b"] = stacked.b.cpu();
      if (const auto found = state_->vectors.find(slot); found != state_->vectors.end()) {
        tensors[path + ".routing"] = found->second.cpu();
      }
    }
  }
  const Json model = {
      {"format", kFormat},
      {"base", {{"path", fs::absolute(base_->name()).string()}, {"fingerprint", base_->fingerprint()}}},
      {"router", to_json(router_)},
      {"experts", experts}};
  write_safetensors(scratch.path() / kTensorFile, tensors);
  write_file_atomic(scratch.path() / kModelFile, dump_json(model, 2) + "\n");
  publish_directory(scratch.path(), target);
}

RoutedModel RoutedModel::load(const fs::path& directory, std::shared_ptr<const BaseModel> base,
                              const BaseModelOptions& options) {
  const std::string where = (directory / kModelFile).string();
  const Json json = read_json_file(directory / kModelFile);
  if (json_require<int>(json, "format", where) != kFormat) {
    throw Error(ErrorKind::kUnsupported,
                where + ": format " + dump_json(json.at("format")) + " is not known");
  }
  const Json reference = json_require<Json>(json, "base", where);
  if (!base) {
    const auto path = json_require<std::string>(reference, "path", where);
    if (!path_exists(path))
      throw Error(ErrorKind::kNotFound, where + ": its base '" + escape_controls(path) + "' is not there",
                  "put it there, or write its present place under 'base', 'path'");
    base = BaseModel::load(path, options);
  }
  if (base->fingerprint() != json_require<std::string>(reference, "fingerprint", where)) {
    throw Error(ErrorKind::kInvalidArgument, "the routed model " + directory.string() +
                                                 " was composed with another base "
                                                 "model than " +
                                                 base->name());
  }
  const RouterOptions router = router_options_from_json(json_require<Json>(json, "router", where), where);
  if (router.kind == RouterKind::kBase) return RoutedModel(base, router.bos);

  auto experts = std::make_shared<ExpertSet>();
  for (const Json& expert : json_require<Json>(json, "experts", where)) {
    experts->experts.push_back(expert_from_json(expert, where));
  }
  const auto count = static_cast<std::int64_t>(experts->experts.size());
  const SafetensorsFile file = SafetensorsFile::open(directory / kTensorFile);
  std::map<std::int64_t, at::Tensor> vectors;
  const bool routed = router.kind == RouterKind::kArrow || router.kind == RouterKind::kPhatgoose;
  const auto device = base->device();
  for (std::size_t slot = 0; slot < base->slots().size(); ++slot) {
    const LinearSlot& layer = base->slots()[slot];
    if (!file.contains(layer.path + ".a")) continue;
    const auto index = static_cast<std::int64_t>(slot);
    const SlotExperts stacked{read_checked(file, layer.path + ".a", {count, 0, layer.in}).to(device),
                              read_checked(file, layer.path + ".b", {count, 0, layer.out}).to(device)};
    if (stacked.a.size(1) != stacked.b.size(1)) {
      throw Error(ErrorKind::kCorruptFile,
                  std::string(kTensorFile) + ": '" + layer.path + "' has A and B of different rank");
    }
    experts->slots[index] = stacked;
    if (routed) {
      vectors[index] = read_checked(file, layer.path + ".routing", {count, layer.in}).to(device);
      check_prototypes(vectors[index], experts->names(), layer.path);
    }
  }
  if (experts->slots.empty())
    throw Error(ErrorKind::kCorruptFile, directory.string() + " holds no expert weights");
  return assemble(std::move(base), std::move(experts), std::move(vectors), router);
}

}  // namespace quiver
