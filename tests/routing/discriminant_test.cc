#include "routing/discriminant.h"

#include <ATen/ATen.h>

#include <cmath>

#include "routing/prompt_rows.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::kLayer;
using test::options;
using test::random_rows;

TEST(Discriminant, OfAHandWorkedCase) {
  const double c = 0.8, t = 0.6;
  const PromptRows rows{
      .features = {{kLayer, at::tensor({c, t, c, -t, -t, c, t, c}, at::kFloat).view({4, 2})}},
      .tasks = {0, 0, 1, 1},
      .owners = {0, 1},
      .names = {}};
  // Means (0.8, 0) and (0, 0.8), S = 0.18 I, so S' = S whatever the shrinkage: scores 0.8 x_c / 0.18 - 0.32 /
  // 0.18 + log 1/2.
  const at::Tensor scores = PromptRule::fit(rows, 2, options(PromptRuleKind::kLda))
                                .task_scores(at::tensor({2.0f, 0.0f}).view({1, 2}));
  EXPECT_NEAR(scores[0][0].item<double>(), (0.8 - 0.32) / 0.18 + std::log(0.5), 1e-5);
  EXPECT_NEAR(scores[0][1].item<double>(), -0.32 / 0.18 + std::log(0.5), 1e-5);
}

TEST(Discriminant, LeftOutEqualsFittingTheOthers) {
  const PromptRows rows = random_rows(6, 9, {0, 1, 2}, 4);
  const PromptSample sample = check_sample(rows, 3, kLayer);
  const DiscriminantRule rule = fit_discriminant(sum_rows(sample, Products::kYes), sample, Shrinkage::kOas);
  const at::Tensor x = unit_rows(sample.rows);
  const at::Tensor left_out = leave_out(rule, x, sample.tasks);
  const double count = static_cast<double>(sample.count());
  const at::Tensor residuals = x - rule.means.index_select(0, sample.tasks);
  const double held = rule.shrinkage * residuals.square().sum().item<double>() / count / 9;
  for (std::int64_t row = 0; row < sample.count(); ++row) {
    const at::Tensor keep = at::arange(sample.count(), at::kLong) != row;
    const at::Tensor others = x.index({keep}), tasks = sample.tasks.index({keep});
    at::Tensor covariance = at::eye(9, at::kDouble) * held;
    std::vector<at::Tensor> means;
    for (std::int64_t task = 0; task < 3; ++task) {
      const at::Tensor of_task = others.index({tasks == task});
      means.push_back(of_task.mean(0));
      const at::Tensor centred = of_task - means.back();
      covariance = covariance + (1 - rule.shrinkage) / count * at::mm(centred.t(), centred);
    }
    for (std::int64_t task = 0; task < 3; ++task) {
      const at::Tensor& mean = means[static_cast<std::size_t>(task)];
      const at::Tensor solved = at::linalg_solve(covariance, mean);
      const double expected = (solved.dot(x[row]) - solved.dot(mean) / 2).item<double>() + std::log(1.0 / 3);
      EXPECT_NEAR(left_out[row][task].item<double>(), expected, 1e-8) << row << ' ' << task;
    }
  }
}

}  // namespace
}  // namespace quiver
