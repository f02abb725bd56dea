#pragma once

#include <ATen/core/Tensor.h>

#include "routing/linear_rule.h"
#include "routing/prompt_sample.h"

namespace quiver {

// Linear discriminant analysis: Gaussian tasks with one covariance S' = (1 - g) S + g tr(S)/D I, S that of
// the rows around their task's mean (divided by N). Score: m_c^T S'^-1 x - m_c^T S'^-1 m_c / 2 + log(n_c /
// N). scikit-learn's LinearDiscriminantAnalysis(solver="lsqr", shrinkage=g).
struct DiscriminantRule {
  LinearRule linear;
  at::Tensor means;      // (C, D)
  at::Tensor inverse;    // (D, D), of S'
  at::Tensor counts;     // (C), n_c
  double shrinkage = 0;  // g
};

// `sums` must have products. Throws Error(kInvalidArgument) where every row is its task's mean.
DiscriminantRule fit_discriminant(const PromptSums& sums, const PromptSample& sample, Shrinkage shrinkage);

// The scores (n, C) of rows x (n, D), of the tasks given, by a rule without that row: its mean and S' are
// without it (by Sherman and Morrison), while N, g tr(S)/D and the log(n_c / N) are held.
at::Tensor leave_out(const DiscriminantRule& rule, const at::Tensor& x, const at::Tensor& tasks);

// g from a covariance (D, D) of `count` rows around a known mean: min(1, (tr(S^2)/D^2 + m^2) / ((n +
// 1)(tr(S^2)/D^2 - m^2/D))) with m = tr(S)/D (Chen, Wiesel, Eldar and Hero 2010, eq. 23, in scikit-learn's
// form).
double oas_shrinkage(const at::Tensor& covariance, double count);
// The same by Ledoit and Wolf 2004; `fourth_powers` is the sum of |r|^4 over the centred rows r.
double ledoit_wolf_shrinkage(const at::Tensor& covariance, double count, double fourth_powers);

}  // namespace quiver
