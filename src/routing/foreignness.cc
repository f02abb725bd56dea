#include "routing/foreignness.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace quiver {
namespace {

std::span<const double> numbers(const at::Tensor& tensor) {
  return {tensor.data_ptr<double>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace

double ForeignnessScale::leverage_rank(double leverage) const {
  const auto high = numbers(leverages);
  const auto as_high = high.end() - std::lower_bound(high.begin(), high.end(), leverage);
  return (1 + static_cast<double>(as_high)) / (1 + static_cast<double>(high.size()));
}

double ForeignnessScale::foreignness(double largest_score, double leverage) const {
  const auto low = numbers(scores);
  const auto as_low = std::upper_bound(low.begin(), low.end(), largest_score) - low.begin();
  return std::log1p(static_cast<double>(low.size())) - std::log1p(static_cast<double>(as_low)) -
         std::log(leverage_rank(leverage));
}

double ForeignnessScale::threshold(double quantile) const {
  // 0.98 of 50 rows is 49, not the 50 that rounding up 49.000000000000004 would give.
  const double place = std::ceil(quantile * static_cast<double>(own.numel()) - 1e-9);
  return numbers(own)[static_cast<std::size_t>(std::max(place, 1.0)) - 1];
}

ForeignnessScale make_foreignness_scale(const at::Tensor& scores, const at::Tensor& leverages) {
  ForeignnessScale scale{.scores = std::get<0>(scores.sort()).contiguous(),
                         .leverages = std::get<0>(leverages.sort()).contiguous(),
                         .own = at::empty_like(scores)};
  const at::Tensor own_scores = scores.contiguous(), own_leverages = leverages.contiguous();
  const auto low = numbers(own_scores), high = numbers(own_leverages);
  for (std::size_t row = 0; row < low.size(); ++row) {
    scale.own.data_ptr<double>()[row] = scale.foreignness(low[row], high[row]);
  }
  scale.own = std::get<0>(scale.own.sort()).contiguous();
  return scale;
}

}  // namespace quiver
