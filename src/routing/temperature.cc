#include "routing/temperature.h"

#include <ATen/ATen.h>

#include <cmath>

namespace quiver {

double likeliest_temperature(const at::Tensor& scores, const at::Tensor& labels) {
  constexpr double kRange = 1e4;  // T between this and its inverse, in units of the scores' spread
  constexpr int kHalvings = 50;   // of a logarithm of length 18: to 2e-14
  const double spread = scores.std(/*unbiased=*/false).item<double>();
  if (!(spread > 0)) return 1;
  const double doubt = 1 / static_cast<double>(scores.size(0) + 1);
  const double wanted = (1 - doubt) * scores.gather(1, labels.unsqueeze(1)).mean().item<double>() +
                        doubt * scores.mean().item<double>();
  // The likelihood's derivative by 1/T is wanted - E[score], and E[score] grows with 1/T.
  double coldest = std::log(spread / kRange), hottest = std::log(spread * kRange);
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (coldest + hottest) / 2;
    const at::Tensor p = at::softmax(scores * std::exp(-middle), 1);
    const double expected = (p * scores).sum().item<double>() / static_cast<double>(scores.size(0));
    (expected > wanted ? coldest : hottest) = middle;
  }
  return std::exp((coldest + hottest) / 2);
}

}  // namespace quiver
