#pragma once

#include <ATen/ATen.h>

#include <functional>

#include "kernels/frozen_matrix.h"

namespace quiver {

// Sum of the cross-entropy losses of a linear head, without ever holding all logits:
//   sum_i -log softmax(hidden_i W^T + bias)[targets_i]
// hidden (N, D), head weight (V, D) frozen, targets (N) int64, bias (V) or undefined. Returns a float32
// scalar, differentiable in hidden; the gradient is made during the forward pass, block by block. N = 0 gives
// 0.
at::Tensor linear_cross_entropy(const at::Tensor& hidden, const FrozenMatrix& weight,
                                const at::Tensor& targets, const at::Tensor& bias = {});

// The same with all logits at once, in ATen operators.
at::Tensor linear_cross_entropy_reference(const at::Tensor& hidden, const at::Tensor& weight,
                                          const at::Tensor& targets, const at::Tensor& bias = {});

// Log-probabilities of the targets and whether each is the most likely token. Inference only.
struct TargetScores {
  at::Tensor log_probability;  // (N) float32, natural logarithm; NaN where any logit of the row is not finite
  at::Tensor is_greedy;        // (N) bool
};
// hidden (N, D), targets (N) int64; `logits` is the head, (n, D) to (n, V), called for a few rows at a time.
TargetScores score_targets(const at::Tensor& hidden, const at::Tensor& targets,
                           const std::function<at::Tensor(const at::Tensor&)>& logits);

}  // namespace quiver
