#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "quiver/error.h"

namespace quiver {

struct KMeansOptions {
  std::int64_t k = 10;
  std::int64_t n_init = 10;     // independent starts, of which the one with the least inertia is kept
  std::int64_t max_iter = 300;  // Lloyd steps per start, which ends earlier when no label changes
  std::uint64_t seed = 42;
};

struct KMeansResult {
  std::vector<std::int64_t> labels;  // (n) cluster of each row, numbered by first member: labels[0] is 0
  std::int64_t clusters = 0;         // k, or fewer when there are fewer than k distinct rows
  double inertia = 0;                // sum over rows of the squared distance to the cluster's mean
};

// k-means with the semantics of scikit-learn's KMeans: greedy k-means++ starts (Arthur and Vassilvitskii
// 2007, with 2 + floor(log k) trials per centre), Lloyd's iteration, a cluster that lost its members takes
// the row farthest from its centre. Equal inputs and seeds give equal results on every machine with the same
// LibTorch; the random stream is not scikit-learn's. `rows` is (n, d) float32 or float64; the arithmetic is
// in float64, and memory beyond the rows grows with n_init n and k d, not with n d. Throws
// Error(kInvalidArgument) for k < 1, k > n, n_init or max_iter < 1, and numbers that are not finite.
// Thread-safe.
KMeansResult k_means(const at::Tensor& rows, const KMeansOptions& options);

}  // namespace quiver
