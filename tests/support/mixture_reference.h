#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "kernels/mixture_reference.h"
#include "quiver/expert.h"

namespace quiver::test {

// Logits of Arrow, and of PhatGOOSE from gates as they were trained. temperature <= 0: the router's own.
inline at::Tensor arrow_logits(const at::Tensor& x, const at::Tensor& prototypes, double temperature) {
  return mixture_logits(x, prototypes,
                        {.logits = LogitKind::kAbsolute, .temperature = temperature > 0 ? temperature : 1});
}
inline at::Tensor phatgoose_logits(const at::Tensor& x, const at::Tensor& gates, double temperature) {
  const double own = std::sqrt(static_cast<double>(gates.size(1)));
  return mixture_logits(x, standardized_rows(gates),
                        {.input = RouterInput::kStandardized,
                         .logits = LogitKind::kSigned,
                         .temperature = temperature > 0 ? temperature : own});
}
inline at::Tensor top_k_softmax(const at::Tensor& logits, std::int64_t top_k, double kept_sum_epsilon = 0) {
  return mixture_weights(logits, {.top_k = top_k, .kept_sum_epsilon = kept_sum_epsilon});
}

// The factors of an expert as kernels take them.
inline LoraFactors factors_of(const LoraWeights& weights) {
  return {weights.a.contiguous(), (weights.b.t() * weights.scale).contiguous()};
}
inline MixtureSlot slot_of(const std::vector<LoraWeights>& experts, std::int64_t column = 0) {
  std::vector<LoraFactors> factors;
  for (const LoraWeights& expert : experts) factors.push_back(factors_of(expert));
  return MixtureSlot(std::move(factors), column);
}
// From a (E, r, in) and b (E, r, out).
inline MixtureSlot stacked_slot(const at::Tensor& a, const at::Tensor& b, std::int64_t column = 0) {
  std::vector<LoraFactors> factors;
  for (std::int64_t e = 0; e < a.size(0); ++e) factors.push_back({a[e].contiguous(), b[e].contiguous()});
  return MixtureSlot(std::move(factors), column);
}

// The LoRA part of a linear layer's output, written plainly, for weights (T, E): what both ways of the kernel
// are tested against. x (T, in), one LoraWeights per expert with equal in and out, ranks as they come; (T,
// out).
//
// sum_k w_k s_k B_k A_k x.
inline at::Tensor combine_output_reference(const at::Tensor& x, const std::vector<LoraWeights>& experts,
                                           const at::Tensor& weights) {
  const at::Tensor rows = x.to(at::kFloat);                                    // (T, in)
  at::Tensor y = at::zeros({x.size(0), experts.at(0).b.size(0)}, at::kFloat);  // (T, out)
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
                                              const at::Tensor& weights) {
  std::int64_t rank = 0;
  for (const LoraWeights& expert : experts) rank = std::max(rank, expert.a.size(0));
  std::vector<at::Tensor> all_a, all_b;
  for (const LoraWeights& expert : experts) {
    const std::int64_t missing = rank - expert.a.size(0);
    all_a.push_back(at::constant_pad_nd(expert.a.to(at::kFloat), {0, 0, 0, missing}));           // (r, in)
    all_b.push_back(at::constant_pad_nd(expert.b.to(at::kFloat) * expert.scale, {0, missing}));  // (out, r)
  }
  const at::Tensor mean_a = at::einsum("te,eri->tri", {weights, at::stack(all_a)});   // (T, r, in)
  const at::Tensor mean_b = at::einsum("te,eor->tor", {weights, at::stack(all_b)});   // (T, out, r)
  return at::bmm(mean_b, at::bmm(mean_a, x.to(at::kFloat).unsqueeze(2))).squeeze(2);  // (T, out)
}

}  // namespace quiver::test
