#include "transforms/mbc.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "transforms/k_means.h"

namespace quiver {
namespace {

// Products of float32 vectors are summed in float64 over stretches of this many columns, which bounds the
// copies.
constexpr std::int64_t kColumnsPerStretch = 65536;

std::string number_text(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

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

// Experts first .. first + count - 1 as float32 rows of length 1, or 0 for vectors of zeros.
class UnitRows {
 public:
  UnitRows(std::span<const std::string> names, const std::function<at::Tensor(std::int64_t)>& vector_of)
      : names_(names), vector_of_(vector_of) {}

  // (count, n) float32.
  at::Tensor load(std::int64_t first, std::int64_t count) {
    at::Tensor rows;
    for (std::int64_t i = 0; i < count; ++i) {
      const at::Tensor vector = unit_vector(first + i);
      if (!rows.defined()) rows = at::empty({count, vector.numel()}, at::kFloat);
      rows[i].copy_(vector);
    }
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

// (m, p) float64 inner products of rows (m, n) and (p, n) float32.
at::Tensor inner_products(const at::Tensor& left, const at::Tensor& right) {
  at::Tensor products = at::zeros({left.size(0), right.size(0)}, at::kDouble);
  for (std::int64_t start = 0; start < left.size(1); start += kColumnsPerStretch) {
    const std::int64_t columns = std::min(kColumnsPerStretch, left.size(1) - start);
    products.addmm_(left.narrow(1, start, columns).to(at::kDouble),
                    right.narrow(1, start, columns).to(at::kDouble).t());
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

at::Tensor sparsify(const at::Tensor& flat, double sparsity) {
  if (!(sparsity >= 0 && sparsity < 1)) {
    throw Error(ErrorKind::kInvalidArgument, "sparsity " + number_text(sparsity) + " is not in [0, 1)",
                "it is the share of weights set to zero, 0.2 in the tutorial and 0.8 in the reference");
  }
  if (flat.dim() != 1 || flat.numel() == 0) {
    throw Error(ErrorKind::kInvalidArgument, "sparsify needs one vector with at least one weight");
  }
  if (!at::isfinite(flat).all().item<bool>()) {
    throw Error(ErrorKind::kInvalidArgument, "sparsify: a weight is not finite");
  }
  // at::quantile refuses more than 2^24 numbers.
  const at::Tensor magnitudes = flat.to(at::kFloat).abs().contiguous();
  const float* magnitude = magnitudes.const_data_ptr<float>();
  std::vector<float> values(magnitude, magnitude + magnitudes.numel());
  const double threshold = linear_quantile(values, sparsity);
  return flat.masked_fill(magnitudes.to(at::kDouble) <= threshold, 0);
}

at::Tensor cosine_similarity_matrix(std::span<const std::string> names,
                                    const std::function<at::Tensor(std::int64_t)>& vector_of,
                                    std::int64_t memory_bytes) {
  const at::NoGradGuard no_grad;
  const auto experts = static_cast<std::int64_t>(names.size());
  at::Tensor similarity = at::zeros({experts, experts}, at::kDouble);
  if (experts == 0) return similarity;

  UnitRows unit_rows(names, vector_of);
  const std::int64_t row_bytes = unit_rows.width() * static_cast<std::int64_t>(sizeof(float));
  // Two blocks are in memory at a time.
  const std::int64_t block = std::clamp<std::int64_t>(memory_bytes / 2 / row_bytes, 1, experts);
  for (std::int64_t first = 0; first < experts; first += block) {
    const std::int64_t rows = std::min(block, experts - first);
    const at::Tensor left = unit_rows.load(first, rows);
    for (std::int64_t second = first; second < experts; second += block) {
      const std::int64_t columns = std::min(block, experts - second);
      const at::Tensor right = second == first ? left : unit_rows.load(second, columns);
      similarity.narrow(0, first, rows).narrow(1, second, columns).copy_(inner_products(left, right));
    }
  }
  const at::Tensor above = similarity.triu(1);
  // float32 rows have length 1 to 1e-7 only; the diagonal's exact value is known.
  return above + above.t() + similarity.diagonal().round().diag();
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
  const at::Tensor by_name = at::tensor(order, at::kLong);
  const at::Tensor rows = similarity.to(at::kDouble).index_select(0, by_name).index_select(1, by_name);
  const KMeansResult result = k_means(rows, KMeansOptions{.k = k, .seed = seed});
  std::map<std::string, std::vector<std::string>> clusters;
  for (std::size_t i = 0; i < order.size(); ++i) {
    clusters["cluster_" + std::to_string(result.labels[i])].push_back(names[order[i]]);
  }
  return clusters;
}

}  // namespace quiver
