#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "routing/linear_rule.h"
#include "routing/prompt_sample.h"

namespace quiver {

// Ridge regression of one-hot task labels on rows x of unit length, with an intercept that is not penalized
// (scikit-learn's Ridge; RidgeClassifier has labels -1 and 1, so twice these scores less 1). Float64
// throughout.
struct RidgeRule {
  LinearRule linear;
  at::Tensor mean;    // (D), of the rows
  at::Tensor factor;  // (min(N, D), D), see leverages()
  double lambda = 0;  // a tenth of the mean of |x - mean|^2
  double count = 0;   // N

  // The diagonal of the hat matrix, for rows that need not be among those fitted: 1/N + z^T (Z^T Z + lambda
  // I)^-1 z with z = x - mean. x (n, D); (n).
  at::Tensor leverages(const at::Tensor& x) const;
};

// Throws Error(kInvalidArgument) for rows that are all alike. Solves in the smaller of D (from the sums) and
// N (from the sample). `sums` must have products where N > D.
RidgeRule fit_ridge(const PromptSums& sums, const PromptSample& sample);
bool ridge_needs_products(std::int64_t count, std::int64_t width);

// What the regression without a row says about that row, lambda held: with h its leverage and y its label, a
// score is y - (y - s) / (1 - h) (PRESS; Hastie et al., The Elements of Statistical Learning, eq. 7.64) and
// the leverage is h / (1 - h) (Sherman and Morrison).
struct LeftOut {
  at::Tensor scores;     // (n, C)
  at::Tensor leverages;  // (n)
};
// x (n, D) rows that were fitted, with their tasks (n) int64.
LeftOut leave_out(const RidgeRule& rule, const at::Tensor& x, const at::Tensor& tasks);

}  // namespace quiver
