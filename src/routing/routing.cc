#include "routing/routing.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "kernels/top_k.h"

namespace quiver {
namespace {

constexpr double kStandardizeEpsilon = 1e-5;

// Rows (T, d) that are to meet vectors (E, d); float32.
at::Tensor token_rows(const at::Tensor& x, const at::Tensor& vectors) {
  if (x.dim() != 2 || vectors.dim() != 2 || x.size(1) != vectors.size(1)) {
    std::ostringstream out;
    out << "tokens " << x.sizes() << " do not fit prototypes " << vectors.sizes()
        << "; both need the same width";
    throw Error(ErrorKind::kInvalidArgument, out.str());
  }
  return x.to(at::kFloat);
}

at::Tensor standardize(const at::Tensor& rows) {
  return at::layer_norm(rows, {rows.size(1)}, {}, {}, kStandardizeEpsilon);
}

at::Tensor all_experts(std::int64_t tokens, std::int64_t experts) {
  return at::arange(experts, at::kLong).expand({tokens, experts}).contiguous();
}

// Weights of all experts, zero for those that a token does not use: (T, E).
at::Tensor dense_weights(const Routing& routing, std::int64_t experts) {
  at::Tensor dense = at::zeros({routing.indices.size(0), experts}, at::kFloat);
  return dense.scatter_add_(1, routing.indices, routing.weights);
}

}  // namespace

at::Tensor arrow_logits(const at::Tensor& x, const at::Tensor& prototypes, double temperature) {
  const at::Tensor rows = token_rows(x, prototypes);
  const at::Tensor logits = at::mm(rows, prototypes.to(at::kFloat).t()).abs();
  return temperature > 0 && temperature != 1 ? logits / temperature : logits;
}

at::Tensor standardize_gates(const at::Tensor& gates) { return standardize(gates.to(at::kFloat)); }

at::Tensor phatgoose_logits(const at::Tensor& x, const at::Tensor& gates, double temperature) {
  return standardized_gate_logits(x, standardize_gates(gates), temperature);
}

at::Tensor standardized_gate_logits(const at::Tensor& x, const at::Tensor& standardized_gates,
                                    double temperature) {
  const at::Tensor rows = standardize(token_rows(x, standardized_gates));
  const double divisor = temperature > 0 ? temperature : std::sqrt(static_cast<double>(x.size(1)));
  return at::mm(rows, standardized_gates.t()) / divisor;
}

double logit_divisor(const RouterOptions& router, std::int64_t width) {
  const double root = std::sqrt(static_cast<double>(width));
  if (router.kind == RouterKind::kPhatgoose) return router.temperature > 0 ? router.temperature : root;
  if (router.compat == Compat::kPhatgoose) return (router.temperature > 0 ? router.temperature : 10) * root;
  return router.temperature > 0 ? router.temperature : 1;
}

double kept_sum_epsilon(const RouterOptions& router) {
  return router.compat == Compat::kPhatgoose ? 1e-6 : 0;
}

Routing top_k_softmax(const at::Tensor& logits, int top_k, double kept_sum_epsilon) {
  const std::int64_t tokens = logits.size(0);
  const std::int64_t experts = logits.size(1);
  const std::int64_t k = top_k > 0 ? top_k : experts;
  if (k > experts) {
    throw Error(
        ErrorKind::kInvalidArgument,
        "top_k " + std::to_string(top_k) + " is above the number of experts, " + std::to_string(experts));
  }
  const at::Tensor values = logits.to(at::kFloat).contiguous();
  if (k == experts && kept_sum_epsilon == 0) return {all_experts(tokens, experts), at::softmax(values, 1)};

  at::Tensor indices = at::empty({tokens, k}, at::kLong);
  const float* value = values.const_data_ptr<float>();
  std::int64_t* chosen = indices.mutable_data_ptr<std::int64_t>();
  at::parallel_for(0, tokens, std::max<std::int64_t>(1, 32768 / experts),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t t = begin; t < end; ++t) {
                       choose_largest(value + t * experts, experts, k, chosen + t * k);
                     }
                   });
  if (kept_sum_epsilon == 0) return {indices, at::softmax(values.gather(1, indices), 1)};
  const at::Tensor kept = at::softmax(values, 1).gather(1, indices);
  return {indices, kept / (kept.sum(1, true) + kept_sum_epsilon)};
}

Routing uniform_routing(std::int64_t tokens, std::int64_t experts) {
  return {all_experts(tokens, experts),
          at::full({tokens, experts}, 1.0 / static_cast<double>(experts), at::kFloat)};
}

at::Tensor combine_output_reference(const at::Tensor& x, const std::vector<LoraWeights>& experts,
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

at::Tensor combine_parameter_reference(const at::Tensor& x, const std::vector<LoraWeights>& experts,
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

}  // namespace quiver
