#include "routing/ridge.h"

#include <ATen/ATen.h>

#include <cmath>

#include "routing/prompt_rows.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::kLayer;
using test::max_difference;
using test::options;
using test::random_rows;

TEST(Ridge, OfAHandWorkedCase) {
  // Two rows along each axis: mean (1/2, 1/2), z = +-(1/2, -1/2), |z|^2 = 1/2, lambda = 1/20. Z^T Z = [[1,
  // -1], [-1, 1]] has 2 in the direction of z, and the labels' part there is sqrt(1/2) * 2 * (1/2 + 1/2).
  const PromptRows rows{
      .features = {{kLayer, at::tensor({2.0f, 0.0f, 3.0f, 0.0f, 0.0f, 1.0f, 0.0f, 5.0f}).view({4, 2})}},
      .tasks = {0, 0, 1, 1},
      .owners = {0, 1},
      .names = {}};
  const at::Tensor scores =
      PromptRule::fit(rows, 2, options()).task_scores(at::tensor({7.0f, 0.0f, 1.0f, 1.0f}).view({2, 2}));
  // A row of task 0 scores 1/2 + 1/2 * 2 / (2 + 1/20); the diagonal lies between the tasks.
  EXPECT_NEAR(scores[0][0].item<double>(), 0.5 + 0.5 * 2 / 2.05, 1e-12);
  EXPECT_NEAR(scores[0][1].item<double>(), 0.5 - 0.5 * 2 / 2.05, 1e-12);
  EXPECT_NEAR(scores[1][0].item<double>(), 0.5, 1e-12);
}

TEST(Ridge, LeftOutEqualsFittingTheOthersBothWays) {
  for (const std::int64_t width : {5, 40}) {  // the smaller of rows and width: width, then rows
    const PromptRows rows = random_rows(5, width, {0, 1, 2}, 3);
    const PromptSample sample = check_sample(rows, 3, kLayer);
    const PromptSums sums = sum_rows(sample, Products::kYes);
    const RidgeRule rule = fit_ridge(sums, sample);
    const at::Tensor x = unit_rows(sample.rows);
    const LeftOut left_out = leave_out(rule, x, sample.tasks);
    for (std::int64_t row = 0; row < sample.count(); ++row) {
      // The augmented normal equations of the other rows, with this lambda and none on the intercept.
      const at::Tensor keep = at::arange(sample.count(), at::kLong) != row;
      const at::Tensor others = x.index({keep});
      const at::Tensor a = at::cat({at::ones({others.size(0), 1}, at::kDouble), others}, 1);
      at::Tensor penalty = at::eye(width + 1, at::kDouble) * rule.lambda;
      penalty[0][0] = 0;
      const at::Tensor labels = at::one_hot(sample.tasks.index({keep}), 3).to(at::kDouble);
      const at::Tensor gram = at::mm(a.t(), a) + penalty;
      const at::Tensor query = at::cat({at::ones({1}, at::kDouble), x[row]});
      const at::Tensor expected = at::mv(at::linalg_solve(gram, at::mm(a.t(), labels)).t(), query);
      EXPECT_LT(max_difference(left_out.scores[row], expected), 1e-10) << row;
      EXPECT_NEAR(left_out.leverages[row].item<double>(),
                  query.dot(at::linalg_solve(gram, query)).item<double>(), 1e-9);
    }
  }
}

TEST(Ridge, LeveragesOfWideRows) {
  const PromptSample sample = check_sample(random_rows(320, 600, {0, 1}, 17), 2, kLayer);
  const RidgeRule rule = fit_ridge(sum_rows(sample, Products::kYes), sample);
  const at::Tensor z = unit_rows(sample.rows) - rule.mean, query = at::randn({3, 600}, at::kDouble);
  const at::Tensor gram = at::mm(z.t(), z) + rule.lambda * at::eye(600, at::kDouble);
  const at::Tensor away = query - rule.mean;
  const at::Tensor expected = 1.0 / 640 + (at::linalg_solve(gram, away.t()).t() * away).sum(1);
  EXPECT_LT(max_difference(rule.leverages(query) / expected, at::ones({3}, at::kDouble)), 1e-10);
}

}  // namespace
}  // namespace quiver
