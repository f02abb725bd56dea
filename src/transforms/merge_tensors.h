#pragma once

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "quiver/transforms.h"

namespace quiver {

// How tensors of several experts become one: each is pruned, then they are summed or joined as ties.
struct MergeRecipe {
  enum class Pruning { kNone, kMagnitude, kRandom } pruning = Pruning::kNone;
  bool elects_sign = false;
};

// tensors: equal shapes, float32; weights: one each, applied after pruning and election (PEFT 0.21,
// utils/merge_utils.py). Random pruning draws from `generator`, tensor by tensor, and divides what it keeps
// by the density.
at::Tensor merge_tensors(const std::vector<at::Tensor>& tensors, const std::vector<double>& weights,
                         const MergeRecipe& recipe, const MergeOptions& options, at::Generator& generator);

// mttl's TIES after its threshold: entries below each expert's threshold are zero; per entry the mean of
// those whose sign is that of the sum.
at::Tensor merge_above_thresholds(const std::vector<at::Tensor>& tensors,
                                  const std::vector<double>& thresholds);

// WUDI (Cheng et al. 2025): tau that minimizes the sum of |(tau - t) t^T|^2 / |t|^2 over the tensors t (p,
// q), divided by their number; Adam from the sum of the tensors, at 1e-5, at most 300 steps, until the loss
// has changed by less than 1e-4 five times running.
at::Tensor merge_wudi(const std::vector<at::Tensor>& tensors);

// The sum of the updates w s B A as one of scale 1, exactly, of rank sum of ranks: the factors side by side,
// B times w s. Equal in and out.
LoraWeights concatenate(const std::vector<std::pair<LoraWeights, double>>& weighted);

// The update of `lora` by its `rank` largest singular values, of scale 1; itself for a rank of 0 or above its
// own. Costs what its own rank costs, not the layer's size: B = Q_b R_b, A^T = Q_a R_a, and the decomposition
// is of R_b R_a^T.
LoraWeights cut_to_rank(const LoraWeights& lora, std::int64_t rank);

}  // namespace quiver
