#include "transforms/k_means.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "tensor/finite.h"
#include "transforms/centred_rows.h"

namespace quiver {
namespace {

// A number in [0, 1) with 53 bits; std::uniform_real_distribution differs between standard libraries.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

// Rows that become the starting centres, one list a start. Greedy k-means++: each further centre is the best
// of several rows drawn with probability proportional to the squared distance to the centres so far. All
// starts go side by side, so that the rows are read once per centre and not once per centre and start.
std::vector<std::vector<std::int64_t>> starting_rows(const CentredRows& rows, std::int64_t k,
                                                     std::vector<std::mt19937_64>& randoms) {
  const std::int64_t n = rows.count();
  const std::int64_t trials = 2 + static_cast<std::int64_t>(std::log(static_cast<double>(k)));
  const std::size_t starts = randoms.size();
  std::vector<std::vector<std::int64_t>> chosen(starts);
  std::vector<std::int64_t> first;
  for (std::size_t start = 0; start < starts; ++start) {
    const auto drawn = static_cast<std::int64_t>(uniform(randoms[start]) * static_cast<double>(n));
    first.push_back(std::min(drawn, n - 1));
    chosen[start].push_back(first.back());
  }
  // (starts, n): squared distance of each row to the nearest centre of the start.
  at::Tensor nearest = rows.squared_distances(rows.select(at::tensor(first, at::kLong)));
  for (std::int64_t centre = 1; centre < k; ++centre) {
    at::Tensor draws = at::empty({static_cast<std::int64_t>(starts), trials}, at::kDouble);
    const at::Tensor cumulative = nearest.cumsum(1);
    for (std::size_t start = 0; start < starts; ++start) {
      const auto row = static_cast<std::int64_t>(start);
      const double potential = cumulative[row][n - 1].item<double>();
      for (std::int64_t i = 0; i < trials; ++i) draws[row][i] = uniform(randoms[start]) * potential;
    }
    const at::Tensor candidates = at::searchsorted(cumulative, draws).clamp_max_(n - 1);  // (starts, trials)
    const at::Tensor distances = rows.squared_distances(rows.select(candidates.flatten()))
                                     .view({static_cast<std::int64_t>(starts), trials, n});
    const at::Tensor left = at::minimum(distances, nearest.unsqueeze(1));  // (starts, trials, n)
    const at::Tensor best = left.sum(2).argmin(1).contiguous();            // (starts)
    for (std::size_t start = 0; start < starts; ++start) {
      const auto row = static_cast<std::int64_t>(start);
      const std::int64_t winner = best.const_data_ptr<std::int64_t>()[row];
      nearest[row].copy_(left[row][winner]);
      chosen[start].push_back(candidates[row][winner].item<std::int64_t>());
    }
  }
  return chosen;
}

struct Assignment {
  at::Tensor labels;     // (n) int64
  at::Tensor distances;  // (n) float64, squared, to the row's centre
};

Assignment assign(const CentredRows& rows, const at::Tensor& centres) {
  const auto [distances, labels] = rows.squared_distances(centres).min(0);
  return {labels, distances};
}

// The means of the clusters (k, d). Each cluster without members takes over the farthest row.
at::Tensor means(const CentredRows& rows, const Assignment& assignment, std::int64_t k) {
  at::Tensor labels = assignment.labels.clone();
  const at::Tensor empty = (at::bincount(labels, {}, k) == 0).nonzero().flatten();
  if (empty.numel() > 0) {
    const at::Tensor farthest = std::get<1>(at::topk(assignment.distances, empty.numel()));
    labels.index_copy_(0, farthest, empty);
  }
  return rows.means(labels, k);
}

struct Start {
  at::Tensor labels;  // (n) int64
  double inertia = 0;
};

// Lloyd's iteration from centres (k, d).
Start run_once(const CentredRows& rows, const KMeansOptions& options, at::Tensor centres) {
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
  return {assignment.labels, rows.inertia(centres, assignment.labels)};
}

void check(const at::Tensor& rows, const KMeansOptions& options) {
  const bool floating = rows.scalar_type() == at::kFloat || rows.scalar_type() == at::kDouble;
  if (rows.dim() != 2 || !floating || rows.size(1) == 0) {
    throw Error(ErrorKind::kInvalidArgument, "k-means needs rows (n, d) of float32 or float64");
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
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    if (all_finite(rows[i])) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "k-means: row " + std::to_string(i) + " holds a number that is not finite");
  }
}

}  // namespace

KMeansResult k_means(const at::Tensor& rows, const KMeansOptions& options) {
  check(rows, options);
  const at::NoGradGuard no_grad;
  const CentredRows centred(rows);  // distances lose fewer digits
  std::vector<std::mt19937_64> randoms;
  for (std::int64_t i = 0; i < options.n_init; ++i) {
    std::seed_seq seeds = {options.seed & 0xffffffffu, options.seed >> 32, static_cast<std::uint64_t>(i)};
    randoms.emplace_back(seeds);
  }
  Start best;
  for (const std::vector<std::int64_t>& chosen : starting_rows(centred, options.k, randoms)) {
    const Start start = run_once(centred, options, centred.select(at::tensor(chosen, at::kLong)));
    // Without a margin, rounding would choose between starts that found the same clusters.
    if (!best.labels.defined() || start.inertia < best.inertia * (1 - 1e-9)) best = start;
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
