#include "routing/ridge.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace quiver {
namespace {

constexpr double kLambda = 0.1;  // of the mean diagonal of Z Z^T, as measured best over wordings and layers

// The lower Cholesky factor of `gram` + lambda I, where lambda is taken of the trace; sets rule.lambda.
at::Tensor regularized_factor(at::Tensor gram, RidgeRule& rule) {
  const double mean_diagonal = gram.trace().item<double>() / rule.count;
  // Unit rows that differ by float32's rounding alone have 1e-14 of it.
  if (!(mean_diagonal > 1e-12)) {
    throw Error(ErrorKind::kInvalidArgument, "the prompts of all tasks have the same hidden states");
  }
  rule.lambda = kLambda * mean_diagonal;
  gram.diagonal().add_(rule.lambda);
  return at::linalg_cholesky(gram);
}

at::Tensor solve_lower(const at::Tensor& lower, const at::Tensor& right) {
  return at::linalg_solve_triangular(lower, right, /*upper=*/false);
}

}  // namespace

bool ridge_needs_products(std::int64_t count, std::int64_t width) { return count > width; }

RidgeRule fit_ridge(const PromptSums& sums, const PromptSample& sample) {
  RidgeRule rule;
  rule.count = static_cast<double>(sums.count());
  rule.mean = sums.totals.sum(0) / rule.count;
  if (ridge_needs_products(sums.count(), sample.width())) {
    const at::Tensor lower =
        regularized_factor(sums.products - rule.count * at::outer(rule.mean, rule.mean), rule);
    // Z^T Y with centred labels is Z^T Y with any, as the columns of Z sum to zero.
    const at::Tensor right = (sums.totals - at::outer(sums.counts, rule.mean)).t();  // (D, C)
    rule.linear.weights = at::cholesky_solve(right, lower);
    rule.factor = solve_lower(lower, at::eye(sample.width(), at::kDouble));
  } else {
    const at::Tensor z = unit_rows(sample.rows) - rule.mean;
    const at::Tensor lower = regularized_factor(at::mm(z, z.t()), rule);
    const at::Tensor labels = at::one_hot(sample.tasks, sample.task_count()).to(at::kDouble);
    rule.linear.weights = at::mm(z.t(), at::cholesky_solve(labels - sums.counts / rule.count, lower));
    rule.factor = solve_lower(lower, z);
  }
  // As a stored rule has them, so that it computes with the same bits.
  rule.linear.weights = rule.linear.weights.contiguous();
  rule.factor = rule.factor.contiguous();
  rule.linear.offsets = sums.counts / rule.count - at::mv(rule.linear.weights.t(), rule.mean);
  return rule;
}

at::Tensor RidgeRule::leverages(const at::Tensor& x) const {
  constexpr std::int64_t kBlock = 512;
  const bool by_rows = !ridge_needs_products(static_cast<std::int64_t>(count), x.size(1));
  const at::Tensor z = x - mean;
  at::Tensor projected = at::zeros({x.size(0)}, at::kDouble);
  for (std::int64_t begin = 0; begin < factor.size(0); begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, factor.size(0));
    // One prompt costs what is read of the factor, which by columns is lower triangular.
    const std::int64_t width = by_rows ? x.size(1) : end;
    const at::Tensor block = factor.narrow(0, begin, end - begin).narrow(1, 0, width);
    projected += at::mm(z.narrow(1, 0, width), block.t()).square().sum(1);
  }
  // (Z^T Z + lambda I)^-1 = (I - Z^T (Z Z^T + lambda I)^-1 Z) / lambda (Woodbury), with what stands in
  // between factored.
  return 1 / count + (by_rows ? (z.square().sum(1) - projected) / lambda : projected);
}

LeftOut leave_out(const RidgeRule& rule, const at::Tensor& x, const at::Tensor& tasks) {
  const at::Tensor leverages = rule.leverages(x);
  const at::Tensor labels = at::one_hot(tasks, rule.linear.offsets.size(0)).to(at::kDouble);
  const at::Tensor rest = 1 - leverages;
  return {.scores = labels - (labels - rule.linear.scores(x)) / rest.unsqueeze(1),
          .leverages = leverages / rest};
}

}  // namespace quiver
