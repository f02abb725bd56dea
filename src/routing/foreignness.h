#pragma once

#include <ATen/core/Tensor.h>

namespace quiver {

// How unlike the rows a prompt is, by two signs at once: its largest ridge score, low for prompts between the
// tasks, and its leverage, high for those off the rows' subspace. Each becomes a chance under the rows' own
// values, each judged without its row: (1 + number of rows as extreme) / (1 + N). Fisher's combination of the
// two.
struct ForeignnessScale {
  at::Tensor scores;     // (N) float64, ascending
  at::Tensor leverages;  // (N) float64, ascending
  at::Tensor own;        // (N) float64, ascending: the rows' foreignness

  // (1 + number of rows of such a leverage or more) / (1 + N).
  double leverage_rank(double leverage) const;
  // -log r_1 - log r_2.
  double foreignness(double largest_score, double leverage) const;
  // The smallest of the rows' own values that is at least as large as that share of them. quantile in (0, 1].
  double threshold(double quantile) const;
};

// scores, leverages: (N) float64 of the rows, in any order. The quantile is the smallest value that is at
// least as large as that share of the rows' values.
// scores, leverages: (N) float64 of the rows, each judged without itself.
ForeignnessScale make_foreignness_scale(const at::Tensor& scores, const at::Tensor& leverages);

}  // namespace quiver
