#include "routing/prompt_rule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "routing/discriminant.h"
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

TEST(Centroid, IsTheCosineToTheMeanOfUnitRows) {
  const PromptRows rows{
      .features = {{kLayer, at::tensor({9.0f, 0.0f, 0.0f, 1.0f, -1.0f, 0.0f, -2.0f, 0.0f}).view({4, 2})}},
      .tasks = {0, 0, 1, 1},
      .owners = {0, 1},
      .names = {}};
  const PromptRule rule = PromptRule::fit(rows, 2, options(PromptRuleKind::kCentroid));
  const at::Tensor scores = rule.task_scores(at::tensor({0.0f, 3.0f}).view({1, 2}));
  EXPECT_NEAR(scores[0][0].item<double>(), std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(scores[0][1].item<double>(), 0, 1e-12);
  const PromptDecision decision = rule.decide({{kLayer, at::tensor({0.0f, 3.0f})}});
  EXPECT_NEAR(decision.log_probabilities[1] - decision.log_probabilities[0], -std::sqrt(0.5) / 0.2, 1e-12);
}

TEST(Foreignness, CombinesBothRanks) {
  const ForeignnessScale scale = make_foreignness_scale(at::tensor({0.9, 0.5, 0.7, 0.8}, at::kDouble),
                                                        at::tensor({3.0, 4.0, 1.0, 2.0}, at::kDouble));
  EXPECT_NEAR(scale.foreignness(0.95, 0.5), 0, 1e-12);                      // more at home than any row
  EXPECT_NEAR(scale.foreignness(0.75, 2.5), 2 * std::log(5.0 / 3), 1e-12);  // two rows as extreme, twice
  EXPECT_NEAR(scale.foreignness(0.1, 9), 2 * std::log(5.0), 1e-12);
  // The rows' own: 5/5 5/3, 5/2 5/2, 5/3 5/5, 5/4 5/4 ... in the order of the scores 0.9, 0.5, 0.7, 0.8.
  EXPECT_NEAR(scale.threshold(0.75), std::log(5.0 / 5 * 5 / 3), 1e-12);
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

// The largest difference between two rules' tensors, relative to the largest number of each; infinite if they
// have other names or shapes.
double relative_difference(const PromptRule& left, const PromptRule& right) {
  const auto a = left.tensors(), b = right.tensors();
  double worst = 0;
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  for (const auto& [name, tensor] : a) {
    // The signs of the ranks' logarithms tell equal values from nearly equal ones; all else is continuous.
    if (!b.contains(name) || b.at(name).sizes() != tensor.sizes())
      return std::numeric_limits<double>::infinity();
    worst = std::max(worst,
                     max_difference(tensor, b.at(name)) / tensor.abs().max().to(at::kDouble).item<double>());
  }
  return worst;
}

class PromptRuleKinds : public testing::TestWithParam<std::tuple<PromptRuleKind, std::int64_t>> {
 protected:
  PromptRuleOptions kind() const { return options(std::get<0>(GetParam())); }
  std::int64_t width() const { return std::get<1>(GetParam()); }
};

TEST_P(PromptRuleKinds, WithoutAnExpertEqualsTheOthersAlone) {
  // Expert 1 has two tasks, which stand apart.
  const PromptRows all = random_rows(6, width(), {0, 1, 2, 1, 3}, 6);
  const PromptRule rule = PromptRule::fit(all, 4, kind());
  const at::Tensor tasks = at::tensor(all.tasks, at::kLong);
  PromptRows others{.features = {}, .tasks = {}, .owners = {0, 1, 2}, .names = {}};
  others.features[kLayer] = all.features.at(kLayer).index({at::logical_and(tasks != 1, tasks != 3)});
  for (const std::int64_t task : {0, 1, 2}) others.tasks.insert(others.tasks.end(), 6, task);
  const PromptRule expected = PromptRule::fit(others, 3, kind());
  EXPECT_LT(relative_difference(expected, rule.without(1)), 1e-9);
  EXPECT_LT(relative_difference(expected, PromptRule::restore(rule.tensors(), kind()).without(1)), 1e-9);
  EXPECT_EQ(rule.without(1).experts(), 3u);
}

TEST_P(PromptRuleKinds, WithMoreExpertsEqualsAllAtOnce) {
  const PromptRows all = random_rows(6, width(), {0, 1, 2, 2}, 7);
  const auto part = [&](std::int64_t begin, std::int64_t rows, std::vector<std::size_t> owners) {
    PromptRows result{.features = {{kLayer, all.features.at(kLayer).narrow(0, begin, rows)}},
                      .tasks = {},
                      .owners = std::move(owners),
                      .names = {}};
    for (std::int64_t i = 0; i < rows; ++i) result.tasks.push_back(i / 6);
    return result;
  };
  const PromptRule grown = PromptRule::fit(part(0, 12, {0, 1}), 2, kind()).with(part(12, 12, {0, 0}), 1);
  EXPECT_LT(relative_difference(PromptRule::fit(all, 3, kind()), grown), 1e-9);
}

TEST_P(PromptRuleKinds, RestoredAndFittedAgainDecidesWithTheSameBits) {
  const PromptRows rows = random_rows(6, width(), {0, 1, 1}, 8);
  const PromptRule rule = PromptRule::fit(rows, 2, kind());
  std::map<std::string, at::Tensor> stored;
  for (const auto& [name, tensor] : rule.tensors()) stored[name] = tensor.clone(at::MemoryFormat::Contiguous);
  const PromptRule restored = PromptRule::restore(stored, kind()), again = PromptRule::fit(rows, 2, kind());
  for (int i = 0; i < 20; ++i) {
    const std::map<std::int64_t, at::Tensor> prompt{{kLayer, at::randn({width()})}};
    const PromptDecision expected = rule.decide(prompt);
    for (const PromptRule* other : {&restored, &again}) {
      const PromptDecision decision = other->decide(prompt);
      EXPECT_EQ(decision.shares, expected.shares);
      EXPECT_EQ(decision.log_probabilities, expected.log_probabilities);
      EXPECT_EQ(decision.foreignness, expected.foreignness);
      EXPECT_EQ(decision.is_foreign, expected.is_foreign);
    }
  }
}

TEST_P(PromptRuleKinds, FindsTheExpertsOfTheirOwnPrompts) {
  const PromptRows rows = random_rows(30, width(), {0, 1, 2, 1}, 9);
  const PromptRule rule = PromptRule::fit(rows, 3, kind());
  int right = 0;
  for (std::size_t i = 0; i < rows.tasks.size(); ++i) {
    const auto log_p =
        rule.decide({{kLayer, rows.features.at(kLayer)[static_cast<std::int64_t>(i)]}}).log_probabilities;
    double sum = 0;
    for (const double p : log_p) sum += std::exp(p);
    EXPECT_NEAR(sum, 1, 1e-12);
    const auto best = std::max_element(log_p.begin(), log_p.end()) - log_p.begin();
    right += static_cast<std::size_t>(best) == rows.owners[static_cast<std::size_t>(rows.tasks[i])];
  }
  EXPECT_GE(right, 100);  // of 120; 40 by chance
}

INSTANTIATE_TEST_SUITE_P(
    KindsAndWidths, PromptRuleKinds,
    testing::Combine(testing::Values(PromptRuleKind::kRidge, PromptRuleKind::kLda, PromptRuleKind::kCentroid),
                     testing::Values(std::int64_t{7}, std::int64_t{15}, std::int64_t{60})));

}  // namespace
}  // namespace quiver
