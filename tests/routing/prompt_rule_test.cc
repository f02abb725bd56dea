#include "routing/prompt_rule.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "routing/foreignness.h"
#include "routing/prompt_sample.h"
#include "routing/ridge.h"
#include "routing/temperature.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::max_difference;

constexpr std::int64_t kLayer = 2;

// `per_task` rows of each task around the task's own centre, at several lengths.
PromptRows random_rows(std::int64_t per_task, std::int64_t width, std::vector<std::size_t> owners, int seed) {
  at::manual_seed(seed);
  const auto tasks = static_cast<std::int64_t>(owners.size());
  const at::Tensor of = at::arange(tasks, at::kLong).repeat_interleave(per_task);
  const at::Tensor centres = at::randn({tasks, width}), common = at::randn({1, width});
  const at::Tensor lengths = at::rand({tasks * per_task, 1}) + 0.5;
  const at::Tensor rows =
      (common + centres.index_select(0, of) + at::randn({tasks * per_task, width})) * lengths;
  PromptRows result{.features = {{kLayer, rows}}, .tasks = {}, .owners = std::move(owners), .names = {}};
  for (std::int64_t i = 0; i < of.size(0); ++i) result.tasks.push_back(of[i].item<std::int64_t>());
  return result;
}

PromptRuleOptions options(PromptRuleKind kind = PromptRuleKind::kRidge) {
  return {.kind = kind, .layer = kLayer};
}

TEST(PoolPrompt, IsTheMeanOfTokensOfRootMeanSquareOne) {
  const at::Tensor hidden = at::tensor({3.0f, 4.0f, 0.0f, -20.0f}).view({2, 2});
  const at::Tensor pooled = pool_prompt(hidden);
  // (3, 4) / 5 and (0, -1), times sqrt(2), halved.
  EXPECT_NEAR(pooled[0].item<double>(), 0.3 * std::sqrt(2), 1e-6);
  EXPECT_NEAR(pooled[1].item<double>(), -0.1 * std::sqrt(2), 1e-6);
  EXPECT_EQ(error_message([] {
              pool_prompt(at::full({1, 2}, std::numeric_limits<float>::infinity()));
            }),
            "a prompt's hidden states hold a number that is not finite");
}

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
    const PromptSample sample = check_sample(rows, 3, options());
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

TEST(Foreignness, CombinesBothRanks) {
  const ForeignnessScale scale = make_foreignness_scale(at::tensor({0.9, 0.5, 0.7, 0.8}, at::kDouble),
                                                        at::tensor({3.0, 4.0, 1.0, 2.0}, at::kDouble), 0.75);
  EXPECT_NEAR(scale.foreignness(0.95, 0.5), 0, 1e-12);                      // more at home than any row
  EXPECT_NEAR(scale.foreignness(0.75, 2.5), 2 * std::log(5.0 / 3), 1e-12);  // two rows as extreme, twice
  EXPECT_NEAR(scale.foreignness(0.1, 9), 2 * std::log(5.0), 1e-12);
  // The rows' own: 5/5 5/3, 5/2 5/2, 5/3 5/5, 5/4 5/4 ... in the order of the scores 0.9, 0.5, 0.7, 0.8.
  EXPECT_NEAR(scale.threshold, std::log(5.0 / 5 * 5 / 3), 1e-12);
}

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
