#include "transforms/k_means.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>

namespace quiver {
namespace {

// A number in [0, 1) with 53 bits; std::uniform_real_distribution differs between standard libraries.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

// Squared distances (m, n) between centres (m, d) and rows (n, d).
at::Tensor squared_distances(const at::Tensor& centres, const at::Tensor& rows) {
  const at::Tensor row_norms = rows.square().sum(1);
  const at::Tensor centre_norms = centres.square().sum(1, /*keepdim=*/true);
  return (row_norms - 2 * at::mm(centres, rows.t()) + centre_norms).clamp_min(0);
}

// Greedy k-means++: each further centre is the best of several rows drawn with probability proportional to
// the squared distance to the centres so far. (k, d).
at::Tensor starting_centres(const at::Tensor& rows, std::int64_t k, std::mt19937_64& random) {
  const std::int64_t n = rows.size(0);
  const std::int64_t trials = 2 + static_cast<std::int64_t>(std::log(static_cast<double>(k)));
  std::vector<std::int64_t> chosen = {
      std::min(static_cast<std::int64_t>(uniform(random) * static_cast<double>(n)), n - 1)};
  at::Tensor nearest = squared_distances(rows.narrow(0, chosen[0], 1), rows)[0];  // (n)
  while (static_cast<std::int64_t>(chosen.size()) < k) {
    const at::Tensor cumulative = nearest.cumsum(0);
    const double potential = cumulative[n - 1].item<double>();
    at::Tensor draws = at::empty({trials}, at::kDouble);
    for (std::int64_t i = 0; i < trials; ++i) draws[i] = uniform(random) * potential;
    const at::Tensor candidates = at::searchsorted(cumulative, draws).clamp_max(n - 1);  // (trials)
    const at::Tensor left =
        at::minimum(squared_distances(rows.index_select(0, candidates), rows), nearest);  // (trials, n)
    const std::int64_t best = left.sum(1).argmin().item<std::int64_t>();
    nearest = left[best];
    chosen.push_back(candidates[best].item<std::int64_t>());
  }
  return rows.index_select(0, at::tensor(chosen, at::kLong));
}

struct Assignment {
  at::Tensor labels;     // (n) int64
  at::Tensor distances;  // (n) float64, squared, to the row's centre
};

Assignment assign(const at::Tensor& rows, const at::Tensor& centres) {
  const auto [distances, labels] = squared_distances(centres, rows).min(0);
  return {labels, distances};
}

// The means of the clusters (k, d). Each cluster without members takes over the farthest row.
at::Tensor means(const at::Tensor& rows, const Assignment& assignment, std::int64_t k) {
  at::Tensor labels = assignment.labels.clone();
  at::Tensor counts = at::bincount(labels, {}, k);
  const at::Tensor empty = (counts == 0).nonzero().flatten();
  if (empty.numel() > 0) {
    const at::Tensor farthest = std::get<1>(at::topk(assignment.distances, empty.numel()));
    labels.index_copy_(0, farthest, empty);
    counts = at::bincount(labels, {}, k);
  }
  const at::Tensor sums = at::zeros({k, rows.size(1)}, at::kDouble).index_add_(0, labels, rows);
  return sums / counts.clamp_min(1).unsqueeze(1);
}

struct Start {
  at::Tensor labels;  // (n) int64
  double inertia = 0;
};

// Every start has its own random stream, so that starts can run side by side.
Start run_once(const at::Tensor& rows, const KMeansOptions& options, std::int64_t start) {
  std::seed_seq seeds = {options.seed & 0xffffffffu, options.seed >> 32, static_cast<std::uint64_t>(start)};
  std::mt19937_64 random(seeds);
  at::Tensor centres = starting_centres(rows, options.k, random);
  Assignment assignment = assign(rows, centres);
  double inertia = std::numeric_limits<double>::infinity();
  for (std::int64_t step = 0; step < options.max_iter; ++step) {
    centres = means(rows, assignment, options.k);
    const at::Tensor before = assignment.labels;
    assignment = assign(rows, centres);
    // With fewer distinct rows than clusters the labels never settle, but the inertia does.
    const double last = std::exchange(inertia, assignment.distances.sum().item<double>());
    if (at::equal(before, assignment.labels) || inertia >= last) break;
  }
  const at::Tensor own = centres.index_select(0, assignment.labels);
  return {assignment.labels, (rows - own).square().sum().item<double>()};
}

void check(const at::Tensor& rows, const KMeansOptions& options) {
  if (rows.dim() != 2 || rows.scalar_type() != at::kDouble || rows.size(1) == 0) {
    throw Error(ErrorKind::kInvalidArgument, "k-means needs rows (n, d) of float64");
  }
  if (options.k < 1 || options.k > rows.size(0)) {
    throw Error(ErrorKind::kInvalidArgument,
                "k = " + std::to_string(options.k) + " clusters of " + std::to_string(rows.size(0)) + " rows",
                "k lies between 1 and the number of rows");
  }
  if (options.n_init < 1 || options.max_iter < 1) {
    throw Error(ErrorKind::kInvalidArgument, "n_init " + std::to_string(options.n_init) + " and max_iter " +
                                                 std::to_string(options.max_iter) + " must be at least 1");
  }
  const at::Tensor bad = at::isfinite(rows).logical_not().any(1);
  if (bad.any().item<bool>()) {
    throw Error(ErrorKind::kInvalidArgument, "k-means: row " +
                                                 std::to_string(bad.nonzero()[0].item<std::int64_t>()) +
                                                 " holds a number that is not finite");
  }
}

}  // namespace

KMeansResult k_means(const at::Tensor& rows, const KMeansOptions& options) {
  check(rows, options);
  const at::NoGradGuard no_grad;
  const at::Tensor centred = (rows - rows.mean(0)).contiguous();  // distances lose fewer digits

  std::vector<Start> starts(static_cast<std::size_t>(options.n_init));
  at::parallel_for(0, options.n_init, 1, [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad_here;  // thread-local
    for (std::int64_t i = begin; i < end; ++i) starts[i] = run_once(centred, options, i);
  });
  Start best = starts.front();
  for (const Start& start : starts) {
    // Without a margin, rounding would choose between starts that found the same clusters.
    if (start.inertia < best.inertia * (1 - 1e-9)) best = start;
  }

  KMeansResult result;
  result.inertia = best.inertia;
  std::map<std::int64_t, std::int64_t> numbers;
  const at::Tensor labels = best.labels.contiguous();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    const auto next = static_cast<std::int64_t>(numbers.size());
    result.labels.push_back(
        numbers.try_emplace(labels.const_data_ptr<std::int64_t>()[i], next).first->second);
  }
  result.clusters = static_cast<std::int64_t>(numbers.size());
  return result;
}

}  // namespace quiver
