#include "routing/temperature.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/test_support.h"

namespace quiver {
namespace {

TEST(Temperature, IsTheBestOfAGridAndFiniteForRowsToldApart) {
  at::manual_seed(5);
  const at::Tensor labels = at::randint(3, {400}, at::kLong);
  const at::Tensor scores = at::randn({400, 3}, at::kDouble) + at::one_hot(labels, 3).to(at::kDouble);
  const double found = likeliest_temperature(scores, labels);
  const auto likelihood = [&](double t) {
    const at::Tensor log_p = at::log_softmax(scores / t, 1);
    return (log_p.gather(1, labels.unsqueeze(1)).mean() * (400.0 / 401) + log_p.mean() / 401).item<double>();
  };
  for (const double factor : {0.5, 0.9, 0.99, 1.01, 1.1, 2.0})
    EXPECT_GT(likelihood(found), likelihood(found * factor));
  EXPECT_GT(likeliest_temperature(at::one_hot(labels, 3).to(at::kDouble), labels), 0.05);
}

}  // namespace
}  // namespace quiver
