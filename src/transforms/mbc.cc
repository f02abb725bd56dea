#include "transforms/mbc.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "core/strings.h"
#include "kernels/linear.h"
#include "tensor/finite.h"
#include "transforms/k_means.h"

namespace quiver {
namespace {

// Products of float32 vectors are summed in float32 over stretches of this many columns and in float64
// beyond, which keeps the sums within 1e-7 of exact at the speed of float32.
constexpr std::int64_t kColumnsPerStretch = 4096;
// Experts that are read at a time to be compared with those in memory.
constexpr std::int64_t kMostStreamed = 128;

// The quantile of `values`, which it reorders: numpy's "linear" method, with its rounding.
double linear_quantile(std::vector<float>& values, double quantile) {
  const double position = quantile * static_cast<double>(values.size() - 1);
  const auto lower = values.begin() + static_cast<std::ptrdiff_t>(position);
  std::nth_element(values.begin(), lower, values.end());
  if (lower + 1 == values.end()) return *lower;
  const double a = *lower;
  const double b = *std::min_element(lower + 1, values.end());
  const double share = position - std::floor(position);
  return share < 0.5 ? a + (b - a) * share : b - (b - a) * (1 - share);
}

// Experts first .. first + count - 1 as float32 rows of length 1, or 0 for vectors of zeros, cut into
// stretches of columns.
class UnitRows {
 public:
  UnitRows(std::span<const std::string> names, const std::function<at::Tensor(std::int64_t)>& vector_of)
      : names_(names), vector_of_(vector_of) {}

  // (stretches, count, columns of a stretch) float32, the last stretch filled with zeros; read on all
  // threads.
  at::Tensor load(std::int64_t first, std::int64_t count) {
    const std::int64_t columns = std::min(kColumnsPerStretch, width());
    const std::int64_t stretches = (width() + columns - 1) / columns;
    at::Tensor rows = at::empty({stretches, count, columns}, at::kFloat);
    at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
      const at::NoGradGuard no_grad;  // thread-local
      for (std::int64_t i = begin; i < end; ++i) {
        const at::Tensor padded =
            at::constant_pad_nd(unit_vector(first + i), {0, stretches * columns - width()});
        rows.select(1, i).copy_(padded.view({stretches, columns}));
      }
    });
    return rows;
  }

  // Length of every vector; known after the first.
  std::int64_t width() {
    if (width_ < 0) unit_vector(0);
    return width_;
  }

 private:
  at::Tensor unit_vector(std::int64_t expert) {
    const at::Tensor vector = vector_of_(expert).flatten().to(at::kFloat);
    if (width_ < 0) width_ = vector.numel();
    if (vector.numel() != width_ || width_ == 0) {
      throw Error(ErrorKind::kInvalidArgument,
                  "expert '" + names_[expert] + "' has " + std::to_string(vector.numel()) +
                      " weights, expert '" + names_[0] + "' has " + std::to_string(width_),
                  "clustering compares experts of one shape: same base model, rank and modules");
    }
    const double norm = at::linalg_vector_norm(vector, 2, {}, false, at::kDouble).item<double>();
    if (!std::isfinite(norm)) {
      throw Error(ErrorKind::kInvalidArgument,
                  "expert '" + names_[expert] + "' holds a weight that is not finite");
    }
    return norm > 0 ? vector / norm : vector;
  }

  std::span<const std::string> names_;
  const std::function<at::Tensor(std::int64_t)>& vector_of_;
  std::int64_t width_ = -1;
};

// (m, p) float64 inner products of rows (stretches, m, columns) and (stretches, p, columns) float32.
at::Tensor inner_products(const at::Tensor& left, const at::Tensor& right) {
  at::Tensor products = at::zeros({left.size(1), right.size(1)}, at::kDouble);
  for (std::int64_t stretch = 0; stretch < left.size(0); ++stretch) {
    products.add_(frozen_linear(left[stretch], right[stretch]));
  }
  return products;
}

}  // namespace

at::Tensor flatten_expert(const Expert& expert) {
  std::vector<at::Tensor> parts;
  for (const auto& [module, weights] : expert.modules) {
    parts.push_back(weights.a.flatten());
    parts.push_back(weights.b.flatten());
  }
  if (parts.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "expert '" + expert.info.name + "' has no weights");
  }
  return at::cat(parts).to(at::kFloat);
}

double sparsify_threshold(const at::Tensor& flat, double sparsity) {
  if (!(sparsity >= 0 && sparsity < 1)) {
    throw Error(ErrorKind::kInvalidArgument, "sparsity " + number_text(sparsity) + " is not in [0, 1)",
                "it is the share of weights set to zero, 0.2 in the tutorial and 0.8 in the reference");
  }
  if (flat.dim() != 1 || flat.numel() == 0) {
    throw Error(ErrorKind::kInvalidArgument, "sparsify needs one vector with at least one weight");
  }
  if (!all_finite(flat)) throw Error(ErrorKind::kInvalidArgument, "sparsify: a weight is not finite");
  // at::quantile refuses more than 2^24 numbers.
  const at::Tensor magnitudes = flat.to(at::kFloat).abs().contiguous();
  const float* magnitude = magnitudes.const_data_ptr<float>();
  std::vector<float> values(magnitude, magnitude + magnitudes.numel());
  return linear_quantile(values, sparsity);
}

at::Tensor drop_up_to(const at::Tensor& flat, double threshold) {
  // The same comparison in float32: with the largest number there that is not above the threshold.
  auto limit = static_cast<float>(threshold);
  if (limit > threshold) limit = std::nextafter(limit, -1.0f);
  at::Tensor kept = at::empty({flat.numel()}, at::kFloat);
  const at::Tensor weights = flat.to(at::kFloat).contiguous();
  const float* from = weights.const_data_ptr<float>();
  float* to = kept.mutable_data_ptr<float>();
  for (std::int64_t i = 0, count = flat.numel(); i < count; ++i) {
    to[i] = std::abs(from[i]) <= limit ? 0.0f : from[i];
  }
  return kept;
}

at::Tensor sparsify(const at::Tensor& flat, double sparsity) {
  return drop_up_to(flat, sparsify_threshold(flat, sparsity));
}

at::Tensor cosine_similarity_matrix(std::span<const std::string> names,
                                    const std::function<at::Tensor(std::int64_t)>& vector_of,
                                    std::int64_t memory_bytes) {
  const at::NoGradGuard no_grad;
  const auto experts = static_cast<std::int64_t>(names.size());
  at::Tensor similarity = at::empty({experts, experts}, at::kFloat);
  if (experts == 0) return similarity;

  UnitRows unit_rows(names, vector_of);
  // Most of the memory keeps rows; the others pass by, a few at a time, once for every filling.
  const std::int64_t fitting = memory_bytes / (unit_rows.width() * static_cast<std::int64_t>(sizeof(float)));
  const std::int64_t streamed = std::clamp<std::int64_t>(fitting / 8, 1, kMostStreamed);
  const std::int64_t kept = std::clamp<std::int64_t>(fitting - streamed, 1, experts);
  for (std::int64_t first = 0; first < experts; first += kept) {
    const std::int64_t rows = std::min(kept, experts - first);
    const at::Tensor left = unit_rows.load(first, rows);
    for (std::int64_t second = first; second < experts;) {
      // A stretch of the kept rows themselves, or the next ones.
      const std::int64_t end = std::min(second + streamed, second < first + rows ? first + rows : experts);
      const at::Tensor right = end <= first + rows ? left.slice(1, second - first, end - first)
                                                   : unit_rows.load(second, end - second);
      const at::Tensor upper = left.slice(1, 0, std::min(rows, end - first));
      const at::Tensor products = inner_products(upper, right).to(at::kFloat);
      similarity.slice(0, first, first + upper.size(1)).slice(1, second, end).copy_(products);
      second = end;
    }
    // Below the diagonal stands what is above it.
    for (std::int64_t row = first; row < first + rows; ++row) {
      similarity.select(1, row).slice(0, row + 1).copy_(similarity[row].slice(0, row + 1));
    }
  }
  // float32 rows have length 1 to 1e-7 only; the diagonal's exact value is known.
  similarity.diagonal().round_();
  return similarity;
}

std::map<std::string, std::vector<std::string>> mbc_clusters(std::span<const std::string> names,
                                                             const at::Tensor& similarity, std::int64_t k,
                                                             std::uint64_t seed) {
  const auto experts = static_cast<std::int64_t>(names.size());
  if (similarity.dim() != 2 || similarity.size(0) != experts || similarity.size(1) != experts) {
    std::ostringstream out;
    out << "similarities " << similarity.sizes() << " do not fit " << experts << " experts";
    throw Error(ErrorKind::kInvalidArgument, out.str());
  }
  if (k < 1 || k > experts) {
    throw Error(ErrorKind::kInvalidArgument,
                "cannot make " + std::to_string(k) + " clusters of " + std::to_string(experts) + " experts",
                "k lies between 1 and the number of experts");
  }
  std::vector<std::int64_t> order(names.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) { return names[i] < names[j]; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (names[order[i - 1]] == names[order[i]]) {
      throw Error(ErrorKind::kInvalidArgument, "expert '" + names[order[i]] + "' is listed twice");
    }
  }
  at::Tensor rows = similarity;
  if (!std::is_sorted(order.begin(), order.end())) {  // otherwise the matrix is not copied
    const at::Tensor by_name = at::tensor(order, at::kLong);
    rows = similarity.index_select(0, by_name).index_select(1, by_name);
  }
  const KMeansResult result = k_means(rows, KMeansOptions{.k = k, .seed = seed});
  std::map<std::string, std::vector<std::string>> clusters;
  for (std::size_t i = 0; i < order.size(); ++i) {
    clusters["cluster_" + std::to_string(result.labels[i])].push_back(names[order[i]]);
  }
  return clusters;
}

}  // namespace quiver
