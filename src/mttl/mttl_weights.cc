#include "mttl/mttl_weights.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/strings.h"
#include "quiver/error.h"
#include "tensor/dtype.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

constexpr std::string_view kSuffixA = ".lora_a";
constexpr std::string_view kSuffixB = ".lora_b";

// One factor as float32 (out, in) from mttl's (in, out).
at::Tensor turn_factor(const at::Tensor& stored, const std::string& name, const std::string& where) {
  if (stored.dim() != 2 || !stored.is_floating_point()) {
    throw Error(ErrorKind::kUnsupported, where + ": '" + name + "' is a tensor of type " +
                                             at::toString(stored.scalar_type()) + " and shape " +
                                             shape_text(stored.sizes()) + ", not a matrix of plain LoRA");
  }
  at::Tensor factor = stored.to(at::kFloat).t().contiguous();
  if (!all_finite(factor)) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + name + "' holds numbers that are not finite");
  }
  return factor;
}

// The names in tie_params: mttl itself takes the regex's alternatives, less "\" and ".*", for the ends of
// parameter names.
std::vector<std::string> tied_names(std::string tie_params) {
  std::erase(tie_params, '\\');
  for (std::size_t at = 0; (at = tie_params.find(".*")) != std::string::npos;) tie_params.erase(at, 2);
  return split_list(tie_params, '|');
}

// Gives every tied module its block's A. The modules are those that have a B.
void share_tied(std::map<std::string, LoraWeights>& modules, const std::string& tie_params) {
  const std::vector<std::string> names = tied_names(tie_params);
  std::map<std::string, at::Tensor> shared;  // by the text before the name
  const auto each = [&](const auto& use) {
    for (auto& [module, weights] : modules) {
      const std::string parameter = module + std::string(kSuffixA);
      for (const std::string& name : names) {
        if (parameter.ends_with(name)) use(parameter.substr(0, parameter.size() - name.size()), weights);
      }
    }
  };
  each([&](const std::string& block, LoraWeights& weights) {
    if (weights.a.defined()) shared.emplace(block, weights.a);
  });
  each([&](const std::string& block, LoraWeights& weights) {
    const auto found = shared.find(block);
    if (!weights.a.defined() && found != shared.end()) weights.a = found->second;
  });
}

void check_module(const std::string& module, const LoraWeights& weights, std::int64_t rank,
                  const std::string& where) {
  const auto fail = [&](const std::string& problem) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + module + "' " + problem);
  };
  if (!weights.a.defined()) fail("has no lora_a");
  if (!weights.b.defined()) fail("has no lora_b");
  if (weights.a.size(0) != rank || weights.b.size(1) != rank || weights.a.numel() == 0 ||
      weights.b.numel() == 0) {
    fail("has lora_a " + shape_text(weights.a.t().sizes()) + " and lora_b " +
         shape_text(weights.b.t().sizes()) + ", but lora_rank is " + std::to_string(rank));
  }
}

at::Tensor padded(const at::Tensor& factor, std::int64_t dimension, std::int64_t rank) {
  const std::int64_t missing = rank - factor.size(dimension);
  if (missing == 0) return factor;
  std::vector<std::int64_t> shape = factor.sizes().vec();
  shape[static_cast<std::size_t>(dimension)] = missing;
  return at::cat({factor, at::zeros(shape, factor.options())}, dimension);
}

}  // namespace

std::string without_mttl_wrapper(const std::string& path) {
  constexpr std::string_view kWrapper = "model.";
  std::string name = path;
  while (name.starts_with("model.model.") || name.starts_with("model.transformer."))
    name.erase(0, kWrapper.size());
  return name;
}

std::map<std::string, LoraWeights> make_lora_modules(const std::map<std::string, at::Tensor>& tensors,
                                                     const MttlInfo& info, const std::string& where) {
  std::map<std::string, LoraWeights> modules;
  for (const auto& [name, stored] : tensors) {
    const std::string path = without_mttl_wrapper(name);
    const bool is_a = path.ends_with(kSuffixA);
    if ((!is_a && !path.ends_with(kSuffixB)) || path.size() == kSuffixA.size()) {
      throw Error(ErrorKind::kUnsupported, where + ": '" + name + "' is no tensor of plain LoRA",
                  "only plain LoRA can be imported");
    }
    LoraWeights& weights = modules[path.substr(0, path.size() - kSuffixA.size())];
    (is_a ? weights.a : weights.b) = turn_factor(stored, name, where);
  }
  if (modules.empty()) throw Error(ErrorKind::kCorruptFile, where + ": no LoRA tensors");
  if (!info.tie_params.empty()) share_tied(modules, info.tie_params);
  const LoraConfig& lora = info.info.lora;
  for (auto& [module, weights] : modules) {
    check_module(module, weights, lora.rank, where);
    weights.scale = lora.alpha / static_cast<double>(lora.rank);
  }
  return modules;
}

MttlWeights make_mttl_weights(const Expert& expert) {
  MttlWeights result;
  for (const auto& [module, weights] : expert.modules) result.rank = std::max(result.rank, weights.a.size(0));
  const double scale = expert.modules.begin()->second.scale;
  const double rank = static_cast<double>(result.rank);
  // The training setting where it gives the same scale: 10 / 3 * 3 stays 10.
  result.alpha = expert.info.lora.alpha / rank == scale ? expert.info.lora.alpha : scale * rank;
  TorchValue::Dict tensors;
  for (const auto& [module, weights] : expert.modules) {
    const at::Tensor b = weights.scale == scale ? weights.b : weights.b * (weights.scale / scale);
    tensors.push_back(
        {{module + std::string(kSuffixA)}, {padded(weights.a, 0, result.rank).t().contiguous()}});
    tensors.push_back({{module + std::string(kSuffixB)}, {padded(b, 1, result.rank).t().contiguous()}});
  }
  result.tensors = {std::move(tensors)};
  return result;
}

}  // namespace quiver
