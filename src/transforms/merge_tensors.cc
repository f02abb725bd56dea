#include "transforms/merge_tensors.h"

#include <algorithm>
#include <cmath>

namespace quiver {
namespace {

at::Tensor keep_largest(const at::Tensor& tensor, double density) {
  const auto kept = static_cast<std::int64_t>(density * static_cast<double>(tensor.numel()));
  const at::Tensor flat = tensor.reshape({-1});
  const at::Tensor largest = std::get<1>(flat.abs().topk(kept));
  return at::zeros_like(flat).scatter_(0, largest, flat.gather(0, largest)).view(tensor.sizes());
}

at::Tensor keep_random(const at::Tensor& tensor, double density, at::Generator& generator) {
  const at::Tensor mask = at::full_like(tensor, density).bernoulli(generator);
  return tensor * mask / density;
}

at::Tensor prune(const at::Tensor& tensor, MergeRecipe::Pruning pruning, double density,
                 at::Generator& generator) {
  if (pruning == MergeRecipe::Pruning::kNone || density >= 1) return tensor;
  if (pruning == MergeRecipe::Pruning::kMagnitude) return keep_largest(tensor, density);
  return keep_random(tensor, density, generator);
}

at::Tensor weights_of(const std::vector<double>& weights, const at::Tensor& stacked) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(stacked.dim()), 1);
  shape[0] = stacked.size(0);
  return at::tensor(std::vector<float>(weights.begin(), weights.end())).view(shape);
}

}  // namespace

at::Tensor merge_tensors(const std::vector<at::Tensor>& tensors, const std::vector<double>& weights,
                         const MergeRecipe& recipe, const MergeOptions& options, at::Generator& generator) {
  std::vector<at::Tensor> pruned;
  for (const at::Tensor& tensor : tensors)
    pruned.push_back(prune(tensor, recipe.pruning, options.density, generator));
  const at::Tensor stacked = at::stack(pruned);  // (E, ...)
  const at::Tensor weighted = stacked * weights_of(weights, stacked);
  if (!recipe.elects_sign) return weighted.sum(0);
  const at::Tensor balance =
      options.majority_sign == MajoritySign::kTotal ? stacked.sum(0) : stacked.sign().sum(0);
  const at::Tensor majority = at::where(balance >= 0, 1.0, -1.0);
  const at::Tensor agrees = stacked.sign() == majority;
  return (weighted * agrees).sum(0) / agrees.sum(0).clamp(1);
}

at::Tensor merge_above_thresholds(const std::vector<at::Tensor>& tensors,
                                  const std::vector<double>& thresholds) {
  std::vector<at::Tensor> kept;
  for (std::size_t e = 0; e < tensors.size(); ++e)
    kept.push_back(tensors[e] * (tensors[e].abs() >= thresholds[e]));
  const at::Tensor stacked = at::stack(kept);
  const at::Tensor agrees = stacked.sign() == stacked.sum(0, true).sign();
  return (stacked * agrees).sum(0) / agrees.sum(0).clamp(1);
}

at::Tensor merge_wudi(const std::vector<at::Tensor>& tensors) {
  constexpr double kLearningRate = 1e-5, kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8, kSmallChange = 1e-4;
  constexpr int kSteps = 300, kPatience = 5;
  // What (tau - t) t^T t takes: t^T t made once, or, where that would be the larger product, two steps.
  struct Term {
    at::Tensor target;  // (p, q)
    at::Tensor gram;    // t^T t (q, q); undefined where is_wide
    bool is_wide;       // p < q
    double norm;
  };
  std::vector<Term> terms;
  at::Tensor merged = at::zeros_like(tensors.front());
  for (const at::Tensor& tensor : tensors) {
    const bool is_wide = tensor.size(0) < tensor.size(1);
    terms.push_back({tensor, is_wide ? at::Tensor() : at::mm(tensor.t(), tensor), is_wide,
                     tensor.square().sum().item<double>()});
    merged = merged + tensor;
  }
  at::Tensor first = at::zeros_like(merged), second = at::zeros_like(merged);
  double last_loss = INFINITY;
  int small_changes = 0;
  for (int step = 1; step <= kSteps && small_changes < kPatience; ++step) {
    at::Tensor gradient = at::zeros_like(merged);
    double loss = 0;
    for (const Term& term : terms) {
      if (term.norm == 0) continue;
      const at::Tensor difference = merged - term.target;
      const at::Tensor product = term.is_wide ? at::mm(at::mm(difference, term.target.t()), term.target)
                                              : at::mm(difference, term.gram);
      loss += (product * difference).sum().item<double>() / term.norm;
      gradient = gradient + product * (2 / term.norm);
    }
    small_changes = std::abs(last_loss - loss) < kSmallChange ? small_changes + 1 : 0;
    last_loss = loss;
    if (small_changes >= kPatience) break;
    first = first * kBeta1 + gradient * (1 - kBeta1);
    second = second * kBeta2 + gradient.square() * (1 - kBeta2);
    const at::Tensor rate = (second / (1 - std::pow(kBeta2, step))).sqrt() + kEpsilon;
    merged = merged - first / (1 - std::pow(kBeta1, step)) / rate * kLearningRate;
  }
  return merged / static_cast<double>(tensors.size());
}

LoraWeights concatenate(const std::vector<std::pair<LoraWeights, double>>& weighted) {
  std::vector<at::Tensor> a, b;
  for (const auto& [lora, weight] : weighted) {
    a.push_back(lora.a);
    b.push_back(lora.b * (weight * lora.scale));
  }
  return {at::cat(a, 0), at::cat(b, 1), 1};
}

LoraWeights cut_to_rank(const LoraWeights& lora, std::int64_t rank) {
  if (rank == 0 || rank >= lora.a.size(0)) return lora;
  const auto [q_b, r_b] = at::linalg_qr(lora.b.to(at::kDouble) * lora.scale);
  const auto [q_a, r_a] = at::linalg_qr(lora.a.to(at::kDouble).t());
  const auto [u, s, vh] = at::linalg_svd(at::mm(r_b, r_a.t()), /*full_matrices=*/false);
  const std::int64_t kept = std::min(rank, s.size(0));
  const at::Tensor b = at::mm(q_b, u.slice(1, 0, kept) * s.slice(0, 0, kept));
  const at::Tensor a = at::mm(vh.slice(0, 0, kept), q_a.t());
  return {a.to(at::kFloat).contiguous(), b.to(at::kFloat).contiguous(), 1};
}

}  // namespace quiver
