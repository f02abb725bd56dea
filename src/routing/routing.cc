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

}  // namespace

at::Tensor arrow_logits(const at::Tensor& x, const at::Tensor& prototypes, double temperature) {
  const at::Tensor rows = token_rows(x, prototypes);
  const at::Tensor logits = at::mm(rows, prototypes.to(at::kFloat).t()).abs();
  return temperature > 0 && temperature != 1 ? logits / temperature : logits;
}

at::Tensor standardize_gates(const at::Tensor& gates) { return standardize(gates.to(at::kFloat)); }

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

}  // namespace quiver
