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
constexpr std::string_view kSuffix = ".weight";
constexpr char kOnlyPlainLora[] = "only plain LoRA on linear layers of the decoder can be imported";

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream text;
  text << "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text << (i == 0 ? "" : ", ") << shape[i];
  text << ")";
  return text.str();
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// Why a tensor cannot be part of a plain LoRA adapter.
std::string describe_foreign_tensor(const std::string& name) {
  constexpr std::string_view kCopy = ".base_layer.weight";
  if (name.find("lora_magnitude_vector") != std::string::npos) return "weight-decomposed LoRA (DoRA)";
  if (name.find("lora_embedding_") != std::string::npos) return "LoRA on an embedding";
  if (name.ends_with(".lora_B.bias")) return "a bias on lora_B";
  if (name.find(".lora_") != std::string::npos)
    return "a kind of LoRA tensor that PEFT does not save for layers";
  if (name.ends_with(kCopy)) {
    return "the frozen layer under LoRA on '" + last_part(name.substr(0, name.size() - kCopy.size())) +
           "', which is not supported";
  }
  if (name.ends_with(".bias")) return "a trained bias";
  if (name.starts_with(kPrefix)) return "a whole trained module (modules_to_save)";
  return "no tensor of a PEFT adapter";
}

// A factor's tensor: "base_model.model.<module>.lora_A.weight". In a state dict that was saved as it is, the
// name of the adapter stands before the end: "...lora_A.default.weight".
struct FactorName {
  std::string module;
  std::string adapter;
  bool is_a = false;
};

std::optional<FactorName> parse_factor(const std::string& name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  const std::string path = name.substr(0, name.size() - kSuffix.size());
  const std::size_t factor = path.rfind(".lora_");
  if (factor == std::string::npos || factor <= kPrefix.size()) return std::nullopt;
  const std::string rest = path.substr(factor + 6);  // "A", or "A.default"
  if (!rest.starts_with('A') && !rest.starts_with('B')) return std::nullopt;
  const bool named = rest.size() > 2 && rest[1] == '.' && rest.find('.', 2) == std::string::npos;
  if (rest.size() > 1 && !named) return std::nullopt;
  return FactorName{path.substr(kPrefix.size(), factor - kPrefix.size()), named ? rest.substr(2) : "",
                    rest[0] == 'A'};
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

// A head or an embedding, which no base offers to adapters.
bool is_head_or_embedding(const std::string& module) {
  const std::string name = last_part(module);
  return name == "lm_head" || name == "embed_tokens" || name == "wte" || name == "wpe";
}

// The factors by their modules' names in the file, without scales.
std::map<std::string, LoraWeights> read_modules(const std::filesystem::path& path) {
  const std::string where = path.string();
  std::map<std::string, LoraWeights> modules;
  std::optional<std::string> adapter;
  for (const auto& [name, stored] : read_tensors(path)) {
    const std::optional<FactorName> factor = parse_factor(name);
    if (!factor) {
      throw Error(ErrorKind::kUnsupported, where + ": '" + name + "' is " + describe_foreign_tensor(name),
                  kOnlyPlainLora);
    }
    if (is_head_or_embedding(factor->module)) {
      throw Error(ErrorKind::kUnsupported, where + ": LoRA on '" + factor->module + "' is not supported",
                  kOnlyPlainLora);
    }
    if (adapter.value_or(factor->adapter) != factor->adapter) {
      throw Error(
          ErrorKind::kCorruptFile,
          where + ": the tensors belong to two adapters, '" + *adapter + "' and '" + factor->adapter + "'",
          "save one adapter a folder");
    }
    adapter = factor->adapter;
    LoraWeights& weights = modules[factor->module];
    (factor->is_a ? weights.a : weights.b) = convert_factor(stored, name, where);
  }
  if (modules.empty()) throw Error(ErrorKind::kCorruptFile, where + ": no LoRA tensors");
  return modules;
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
  std::map<std::string, LoraWeights> modules = read_modules(path);
  std::vector<std::string> names;
  for (const auto& [module, weights] : modules) names.push_back(module);
  config.check(names, where);
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
    tensors[std::string(kPrefix) + module + ".lora_A.weight"] = weights.a;
    tensors[std::string(kPrefix) + module + ".lora_B.weight"] = weights.b;
  }
  return tensors;
}

}  // namespace quiver
