#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "quiver/expert.h"
#include "routing/routing.h"

namespace quiver::test {

// Weights of all experts, zero for those that a token does not use: (T, E).
inline at::Tensor dense_weights(const Routing& routing, std::int64_t experts) {
  at::Tensor dense = at::zeros({routing.indices.size(0), experts}, at::kFloat);
  return dense.scatter_add_(1, routing.indices, routing.weights);
}

// Logits from gates as they were trained.
inline at::Tensor phatgoose_logits(const at::Tensor& x, const at::Tensor& gates, double temperature) {
  return standardized_gate_logits(x, standardize_gates(gates), temperature);
}

// The LoRA part of a linear layer's output, written plainly: what fast kernels are tested against. x (T, in),
// one LoraWeights per expert with equal in and out, ranks as they come; (T, out) float32.
//
// sum_k w_k s_k B_k A_k x.
inline at::Tensor combine_output_reference(const at::Tensor& x, const std::vector<LoraWeights>& experts,
                                           const Routing& routing) {
  const at::Tensor rows = x.to(at::kFloat);                                                      // (T, in)
  const at::Tensor weights = dense_weights(routing, static_cast<std::int64_t>(experts.size()));  // (T, E)
  at::Tensor y = at::zeros({x.size(0), experts.at(0).b.size(0)}, at::kFloat);                    // (T, out)
  for (std::size_t e = 0; e < experts.size(); ++e) {
    const at::Tensor hidden = at::mm(rows, experts[e].a.to(at::kFloat).t());    // (T, r)
    const at::Tensor update = at::mm(hidden, experts[e].b.to(at::kFloat).t());  // (T, out)
    y = y + weights.select(1, static_cast<std::int64_t>(e)).unsqueeze(1) * experts[e].scale * update;
  }
  return y;
}

// (sum_e w_e s_e B_e)(sum_e w_e A_e) x. Smaller ranks are padded with zeros to the largest. The reference
// uses the first expert's scale for all; each expert's own belongs to its B.
inline at::Tensor combine_parameter_reference(const at::Tensor& x, const std::vector<LoraWeights>& experts,
                                              const Routing& routing) {
  std::int64_t rank = 0;
  for (const LoraWeights& expert : experts) rank = std::max(rank, expert.a.size(0));
  std::vector<at::Tensor> all_a, all_b;
  for (const LoraWeights& expert : experts) {
    const std::int64_t missing = rank - expert.a.size(0);
    all_a.push_back(at::constant_pad_nd(expert.a.to(at::kFloat), {0, 0, 0, missing}));           // (r, in)
    all_b.push_back(at::constant_pad_nd(expert.b.to(at::kFloat) * expert.scale, {0, missing}));  // (out, r)
  }
  const at::Tensor weights = dense_weights(routing, static_cast<std::int64_t>(experts.size()));  // (T, E)
  const at::Tensor mean_a = at::einsum("te,eri->tri", {weights, at::stack(all_a)});              // (T, r, in)
  const at::Tensor mean_b = at::einsum("te,eor->tor", {weights, at::stack(all_b)});   // (T, out, r)
  return at::bmm(mean_b, at::bmm(mean_a, x.to(at::kFloat).unsqueeze(2))).squeeze(2);  // (T, out)
}

}  // namespace quiver::test
