#include <filesystem>

#include "core/files.h"
#include "core/json.h"
#include "core/strings.h"
#include "modular/bind_experts.h"
#include "modular/routed_model_state.h"
#include "routing/calibration.h"
#include "routing/prototypes.h"
#include "tensor/finite.h"
#include "tensor/safetensors.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr char kModelFile[] = "quiver_model.json";
constexpr char kTensorFile[] = "experts.safetensors";
// 1: all experts of a slot stacked as PATH.a (E, r, in) and PATH.b, of the largest rank. 2: each expert's
// own, experts.NUMBER.PATH.a (r, in) and .b (r, out).
constexpr int kFirstFormat = 1, kFormat = 2;
constexpr char kRoutingEnd[] = ".routing", kCalibrationEnd[] = ".calibration", kRuleStart[] = "rule.",
               kFallbackStart[] = "fallback.";

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

// The tensors of a folder.
class TensorReader {
 public:
  explicit TensorReader(const fs::path& file) : file_(SafetensorsFile::open(file)) {}

  bool contains(const std::string& name) const { return file_.contains(name); }
  std::vector<std::string> names() const { return file_.names(); }

  // A tensor with this shape, -1 for any size. Throws Error(kCorruptFile).
  at::Tensor read(const std::string& name, const std::vector<std::int64_t>& shape) const {
    if (!file_.contains(name)) fail("tensor '" + name + "' is missing");
    const at::Tensor tensor = file_.read(name);
    bool fits = tensor.scalar_type() == at::kFloat && tensor.dim() == static_cast<std::int64_t>(shape.size());
    for (std::size_t i = 0; fits && i < shape.size(); ++i)
      fits = shape[i] < 0 || tensor.size(static_cast<std::int64_t>(i)) == shape[i];
    if (!fits || tensor.numel() == 0) fail("tensor '" + name + "' has another shape or type");
    if (!all_finite(tensor)) fail("'" + name + "' holds numbers that are not finite");
    return tensor;
  }

  // A tensor of any shape and type, with finite numbers.
  at::Tensor read_any(const std::string& name) const {
    const at::Tensor tensor = file_.read(name);
    if (tensor.is_floating_point() && !all_finite(tensor))
      fail("'" + name + "' holds numbers that are not finite");
    return tensor;
  }

  [[noreturn]] static void fail(const std::string& what) {
    throw Error(ErrorKind::kCorruptFile, std::string(kTensorFile) + ": " + what);
  }

 private:
  SafetensorsFile file_;
};

LoraFactors read_factors(const TensorReader& file, const std::string& name, const LinearSlot& layer) {
  const LoraFactors factors{file.read(name + ".a", {-1, layer.in}), file.read(name + ".b", {-1, layer.out})};
  if (factors.a.size(0) != factors.b.size(0))
    TensorReader::fail("'" + name + "' has A and B of different rank");
  return factors;
}

void check_all_experts_are_named(const TensorReader& file, std::size_t experts) {
  const std::string start = "experts.";
  for (const std::string& name : file.names()) {
    if (!name.starts_with(start)) continue;
    const std::string number = name.substr(start.size(), name.find('.', start.size()) - start.size());
    if (number.empty() || number.size() > 9 || number.find_first_not_of("0123456789") != std::string::npos ||
        std::stoull(number) >= experts) {
      TensorReader::fail("'" + name + "' belongs to none of the " + std::to_string(experts) + " experts in " +
                         kModelFile);
    }
  }
}

// The factors of every expert of a folder.
void read_experts(const TensorReader& file, const BaseModel& base, int format,
                  std::vector<BoundExpert>& experts) {
  if (format != kFirstFormat) check_all_experts_are_named(file, experts.size());
  for (std::size_t i = 0; i < base.slots().size(); ++i) {
    const LinearSlot& layer = base.slots()[i];
    const auto slot = static_cast<std::int64_t>(i), count = static_cast<std::int64_t>(experts.size());
    if (format == kFirstFormat) {
      if (!file.contains(layer.path + ".a")) continue;
      const at::Tensor a = file.read(layer.path + ".a", {count, -1, layer.in});
      const at::Tensor b = file.read(layer.path + ".b", {count, -1, layer.out});
      if (a.size(1) != b.size(1)) TensorReader::fail("'" + layer.path + "' has A and B of different rank");
      for (std::int64_t e = 0; e < count; ++e)
        experts[static_cast<std::size_t>(e)].factors[slot] = {a[e], b[e]};
      continue;
    }
    for (std::size_t e = 0; e < experts.size(); ++e) {
      const std::string name = "experts." + std::to_string(e) + "." + layer.path;
      if (file.contains(name + ".a")) experts[e].factors[slot] = read_factors(file, name, layer);
    }
  }
  std::size_t read = 0, held = 0;
  for (const BoundExpert& expert : experts) read += 2 * expert.factors.size();
  for (const std::string& name : file.names()) held += name.starts_with("experts.") ? 1 : 0;
  if (format != kFirstFormat && read != held) {
    TensorReader::fail(
        std::to_string(held - read) +
        " tensors of experts belong to no layer of the base model, or lack their other factor");
  }
}

// Puts what a router was fitted to, and its fallback, under names that begin with `start`.
void add_fitted(const FittedRouter& fitted, const BaseModel& base, const std::string& start,
                std::map<std::string, at::Tensor>& tensors) {
  const auto path = [&](std::int64_t slot) { return base.slots()[static_cast<std::size_t>(slot)].path; };
  for (const auto& [slot, vectors] : fitted.routing.vectors)
    tensors[start + path(slot) + kRoutingEnd] = vectors.cpu();
  for (const auto& [slot, lines] : fitted.routing.calibration)
    tensors[start + path(slot) + kCalibrationEnd] = lines.cpu();
  if (fitted.rule) {
    for (const auto& [name, tensor] : fitted.rule->tensors()) tensors[start + kRuleStart + name] = tensor;
  }
  if (fitted.fallback) add_fitted(*fitted.fallback, base, start + kFallbackStart, tensors);
}

std::shared_ptr<const SequenceRule> read_rule(const TensorReader& file, const BaseModel& base,
                                              const ExpertSet& experts, const RouterOptions& router,
                                              const std::string& start) {
  const RouterMethod& method = router_method(router.router);
  const BaseFacts facts = base_facts(base);
  const RouterParts parts{router, experts, facts};
  if (method.restore == nullptr) return method.fit(parts, {});
  FittedTensors tensors;
  const std::string names = start + kRuleStart;
  for (const std::string& name : file.names()) {
    if (name.starts_with(names)) tensors[name.substr(names.size())] = file.read_any(name);
  }
  return method.restore(parts, tensors);
}

std::shared_ptr<const FittedRouter> read_fitted(const TensorReader& file, const BaseModel& base,
                                                const ExpertSet& experts, const RouterOptions& router,
                                                const std::string& start) {
  auto fitted = std::make_shared<FittedRouter>();
  const auto count = static_cast<std::int64_t>(experts.size());
  if (router_info(router).kind == RouterClass::kToken) {
    for (const std::int64_t slot : experts.slots()) {
      const LinearSlot& layer = base.slots()[static_cast<std::size_t>(slot)];
      const at::Tensor vectors = file.read(start + layer.path + kRoutingEnd, {-1, layer.in});
      const RouterMethod& method = router_method(router.router);
      const bool is_single = method.rule(router, layer.in).logits != LogitKind::kNorm;
      if (vectors.size(0) % count != 0 || (is_single && vectors.size(0) != count))
        TensorReader::fail("tensor '" + start + layer.path + kRoutingEnd + "' has another shape or type");
      // The first of each expert's; others may be rows of zeros.
      check_prototypes(vectors.view({count, -1, layer.in}).select(1, 0), experts.names(), layer.path);
      fitted->routing.vectors[slot] = vectors;
      if (method.artefact == nullptr || method.artefact(router) != kCalibrationKind) continue;
      const std::string name = start + layer.path + kCalibrationEnd;
      const at::Tensor lines = file.read(name, {count, 2});
      if (!(lines.select(1, 1) > 0).all().item<bool>())
        TensorReader::fail("'" + name + "' has a deviation that is not above 0");
      fitted->routing.calibration[slot] = lines;
    }
    if (const std::optional<RouterOptions> prior = prior_router(router))
      fitted->rule = read_rule(file, base, experts, *prior, start);
  } else {
    fitted->rule = read_rule(file, base, experts, router, start);
  }
  if (const std::optional<RouterOptions> fallback = fallback_router(router))
    fitted->fallback = read_fitted(file, base, experts, *fallback, start + kFallbackStart);
  return fitted;
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
  for (std::size_t e = 0; e < state_->experts.size(); ++e) {
    experts.push_back(expert_to_json(state_->experts[e].info));
    for (const auto& [slot, factors] : state_->experts[e].factors) {
      const std::string name =
          "experts." + std::to_string(e) + "." + base_->slots()[static_cast<std::size_t>(slot)].path;
      tensors[name + ".a"] = factors.a;
      tensors[name + ".b"] = factors.b;
    }
  }
  if (state_->fitted) add_fitted(*state_->fitted, *base_, "", tensors);
  const Json model = {
      {"format", kFormat},
      {"base", {{"path", fs::absolute(base_->name()).string()}, {"fingerprint", base_->fingerprint()}}},
      {"router", to_json(state_->router)},
      {"experts", experts}};
  write_safetensors(scratch.path() / kTensorFile, tensors);
  write_file_atomic(scratch.path() / kModelFile, dump_json(model, 2) + "\n");
  publish_directory(scratch.path(), target);
}

RoutedModel RoutedModel::load(const fs::path& directory, std::shared_ptr<const BaseModel> base,
                              const BaseModelOptions& options) {
  const std::string where = (directory / kModelFile).string();
  const Json json = read_json_file(directory / kModelFile);
  const int format = json_require<int>(json, "format", where);
  if (format != kFormat && format != kFirstFormat) {
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
  if (router.router == kBaseRouter.info.name) return RoutedModel(base, router.bos);

  std::vector<BoundExpert> bound;
  for (const Json& expert : json_require<Json>(json, "experts", where))
    bound.push_back({.info = expert_from_json(expert, where), .factors = {}});
  const TensorReader file(directory / kTensorFile);
  read_experts(file, *base, format, bound);
  std::vector<std::shared_ptr<const BoundExpert>> shared;
  for (BoundExpert& expert : bound) shared.push_back(std::make_shared<const BoundExpert>(std::move(expert)));
  ExpertSet experts(std::move(shared));
  if (experts.slots().empty())
    throw Error(ErrorKind::kCorruptFile, directory.string() + " holds no expert weights");
  const std::vector<std::string> names = experts.names();
  if (std::ranges::adjacent_find(names, std::greater_equal<>()) != names.end())
    throw Error(ErrorKind::kCorruptFile, where + ": the experts are not in the order of their names");
  check_tasks(experts);
  validate(router, names);
  std::shared_ptr<const FittedRouter> fitted = read_fitted(file, *base, experts, router, "");
  return assemble(std::move(base), std::move(experts), router, std::move(fitted));
}

}  // namespace quiver
