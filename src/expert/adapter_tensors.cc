#include "expert/adapter_tensors.h"

#include <ATen/ATen.h>

#include <cmath>
#include <optional>
#include <sstream>

#include "tensor/finite.h"
#include "tensor/safetensors.h"
#include "tensor/torch_file.h"

namespace quiver {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kSuffixA = ".lora_A.weight";
constexpr std::string_view kSuffixB = ".lora_B.weight";

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream text;
  text << "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text << (i == 0 ? "" : ", ") << shape[i];
  text << ")";
  return text.str();
}

// Why a tensor cannot be part of a plain LoRA adapter.
std::string describe_foreign_tensor(const std::string& name) {
  if (name.find("lora_magnitude_vector") != std::string::npos) return "weight-decomposed LoRA (DoRA)";
  if (name.find("lora_embedding_") != std::string::npos) return "LoRA on an embedding";
  if (name.ends_with(".lora_B.bias")) return "a bias on lora_B";
  if (name.find(".lora_") != std::string::npos)
    return "a kind of LoRA tensor that PEFT does not save for layers";
  if (name.ends_with(".bias")) return "a trained bias";
  if (name.starts_with(kPrefix)) return "a whole trained module (modules_to_save)";
  return "no tensor of a PEFT adapter";
}

// The module path of "base_model.model.<path><suffix>".
std::optional<std::string> module_path(const std::string& name, std::string_view suffix) {
  if (!name.starts_with(kPrefix) || !name.ends_with(suffix)) return std::nullopt;
  if (name.size() <= kPrefix.size() + suffix.size()) return std::nullopt;
  return name.substr(kPrefix.size(), name.size() - kPrefix.size() - suffix.size());
}

std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& path) {
  if (path.extension() == ".bin") return read_torch_tensors(path);
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::map<std::string, at::Tensor> tensors;
  for (const std::string& name : file.names()) tensors.emplace(name, file.read(name));
  return tensors;
}

// One factor as float32 in memory of its own.
at::Tensor convert_factor(const at::Tensor& stored, const std::string& name, const std::string& where) {
  if (stored.dim() != 2) {
    throw Error(ErrorKind::kUnsupported, where + ": '" + name + "' has shape " + shape_text(stored.sizes()) +
                                             "; only LoRA on linear layers is supported");
  }
  const at::ScalarType dtype = stored.scalar_type();
  if (dtype != at::kFloat && dtype != at::kDouble && dtype != at::kHalf && dtype != at::kBFloat16) {
    throw Error(ErrorKind::kUnsupported,
                where + ": '" + name + "' is of type " + at::toString(dtype) + "; expected floating point",
                "save the adapter as float32, float16 or bfloat16");
  }
  const at::Tensor factor = stored.to(at::kFloat).contiguous();
  if (!all_finite(factor)) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + name + "' holds numbers that are not finite");
  }
  return factor;
}

void check_shapes(const LoraWeights& weights, const std::string& module, std::int64_t rank,
                  const std::string& where) {
  const auto shapes = [&] {
    return "lora_A " + shape_text(weights.a.sizes()) + ", lora_B " + shape_text(weights.b.sizes());
  };
  if (weights.a.size(0) != weights.b.size(1)) {
    throw Error(ErrorKind::kCorruptFile, where + ": ranks of '" + module + "' do not fit: " + shapes());
  }
  if (weights.a.size(0) != rank) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + module + "' has " + shapes() +
                                             ", but its rank in adapter_config.json is " +
                                             std::to_string(rank));
  }
  if (weights.a.numel() == 0 || weights.b.numel() == 0) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + module + "' is empty: " + shapes());
  }
}

// The reason why weights made by code cannot be written, or nothing.
std::optional<std::string> find_problem(const LoraWeights& weights) {
  if (!weights.a.defined() || !weights.b.defined()) return "A or B is missing";
  if (weights.a.scalar_type() != at::kFloat || weights.b.scalar_type() != at::kFloat) return "not float32";
  if (weights.a.dim() != 2 || weights.b.dim() != 2 || weights.a.size(0) != weights.b.size(1) ||
      weights.a.numel() == 0 || weights.b.numel() == 0) {
    return "A " + shape_text(weights.a.sizes()) + " and B " + shape_text(weights.b.sizes()) + " do not fit";
  }
  if (!std::isfinite(weights.scale) || weights.scale <= 0) return "scale " + std::to_string(weights.scale);
  if (!all_finite(weights.a) || !all_finite(weights.b)) return "numbers that are not finite";
  return std::nullopt;
}

}  // namespace

std::map<std::string, LoraWeights> read_adapter_tensors(const std::filesystem::path& path,
                                                        const AdapterConfig& config) {
  const std::string where = path.string();
  std::map<std::string, LoraWeights> modules;
  for (const auto& [name, stored] : read_tensors(path)) {
    if (const auto with_a = module_path(name, kSuffixA)) {
      modules[*with_a].a = convert_factor(stored, name, where);
    } else if (const auto with_b = module_path(name, kSuffixB)) {
      modules[*with_b].b = convert_factor(stored, name, where);
    } else {
      throw Error(ErrorKind::kUnsupported, where + ": '" + name + "' is " + describe_foreign_tensor(name),
                  "only plain LoRA on linear layers can be imported");
    }
  }
  if (modules.empty()) throw Error(ErrorKind::kCorruptFile, where + ": no LoRA tensors");
  std::vector<std::string> paths;
  for (const auto& [module, weights] : modules) paths.push_back(module);
  config.targets().check(paths, where);
  for (auto& [module, weights] : modules) {
    if (!weights.a.defined() || !weights.b.defined()) {
      throw Error(ErrorKind::kCorruptFile, where + ": '" + module + "' has no " +
                                               (weights.a.defined() ? "lora_B" : "lora_A") + " tensor");
    }
    check_shapes(weights, module, config.rank(module), where);
    weights.scale = config.scale(module);
  }
  return modules;
}

std::map<std::string, at::Tensor> make_adapter_tensors(const Expert& expert) {
  if (expert.modules.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "expert '" + expert.info.name + "' has no modules");
  }
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [module, weights] : expert.modules) {
    if (const auto problem = find_problem(weights)) {
      throw Error(ErrorKind::kInvalidArgument,
                  "expert '" + expert.info.name + "', module '" + module + "': " + *problem);
    }
    tensors[std::string(kPrefix) + module + std::string(kSuffixA)] = weights.a;
    tensors[std::string(kPrefix) + module + std::string(kSuffixB)] = weights.b;
  }
  return tensors;
}

}  // namespace quiver
