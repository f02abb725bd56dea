#include "routing/prompt_rule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "routing/prompt_rows.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::kLayer;
using test::max_difference;
using test::options;
using test::prompt;
using test::random_rows;
using test::two_experts;

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

TEST(PromptRule, AbstainsFromPromptsBetweenTheTasksAndOffTheirPlane) {
  const PromptRule rule = two_experts(options());
  EXPECT_EQ(rule.layers(), std::vector<std::int64_t>{kLayer});
  const PromptDecision own = rule.decide(prompt({3, 0, 0, 0}));
  EXPECT_FALSE(own.is_foreign);
  // All rows are told apart, so T is what one wrong row of 41 would ask for: about half of it for each
  // expert.
  EXPECT_EQ(own.shares[0].first, 0u);
  EXPECT_NEAR(own.shares[0].second, 1 - 0.5 / 41, 0.005);
  for (const auto& foreign :
       {prompt({1, 1, 0, 0}), prompt({0, 0, 1, 0}), prompt({1, 0, 0, -1}), prompt({-1, 0, 0, 0})}) {
    const PromptDecision decision = rule.decide(foreign);
    EXPECT_TRUE(decision.is_foreign);
    EXPECT_GT(decision.foreignness, rule.foreignness_threshold());
    EXPECT_TRUE(decision.shares.empty());
    EXPECT_EQ(decision.log_probabilities.size(), 2u);
  }
  PromptRuleOptions never = options();
  never.abstains = false;
  const PromptDecision between = two_experts(never).decide(prompt({1, 1, 0, 0}));
  EXPECT_FALSE(between.is_foreign);
  EXPECT_GT(between.foreignness, rule.foreignness_threshold());
  ASSERT_EQ(between.shares.size(), 2u);
  EXPECT_NEAR(between.shares[0].second + between.shares[1].second, 1, 1e-12);
}

TEST(PromptRule, QuantileIsTheShareOfRowsThatBelong) {
  const PromptRule rule = two_experts(options());
  PromptRuleOptions half = options(), all = options();
  half.quantile = 0.5;
  all.quantile = 1;
  // The threshold follows the options of restore(): half of the rows' own values are at most the median.
  const double median = PromptRule::restore(rule.tensors(), half).foreignness_threshold();
  const at::Tensor own = rule.tensors().at("foreign.own");
  EXPECT_EQ((own <= median).sum().item<int>(), 20);
  EXPECT_EQ(median, two_experts(half).foreignness_threshold());
  EXPECT_EQ(PromptRule::restore(rule.tensors(), all).foreignness_threshold(), own.max().item<double>());
}

TEST(PromptRule, ScaleOfAPromptMeansNothing) {
  const PromptRule rule = two_experts(options());
  EXPECT_EQ(rule.decide(prompt({1, 0.5, 0, 0.25})).log_probabilities,
            rule.decide(prompt({8, 4, 0, 2})).log_probabilities);
}

TEST(PromptRule, KeepsTheHeaviestTopKAndDropsWhatIsUnderOnePercent) {
  PromptRuleOptions chosen = options(PromptRuleKind::kCentroid);
  chosen.abstains = false;
  chosen.top_k = 2;
  const PromptRows rows = random_rows(4, 12, {0, 1, 2, 3}, 11);
  const PromptRule two = PromptRule::fit(rows, 4, chosen);
  chosen.top_k = 0;
  const PromptRule all = PromptRule::fit(rows, 4, chosen);
  const std::map<std::int64_t, at::Tensor> query{{kLayer, at::randn({12})}};
  const PromptDecision some = two.decide(query), every = all.decide(query);
  ASSERT_EQ(some.shares.size(), 2u);
  const double kept = std::exp(every.log_probabilities[some.shares[0].first]) +
                      std::exp(every.log_probabilities[some.shares[1].first]);
  for (const auto& [expert, share] : some.shares) {
    EXPECT_NEAR(share, std::exp(every.log_probabilities[expert]) / kept, 1e-12);
  }
  EXPECT_GE(some.shares[0].second, some.shares[1].second);
  for (const auto& [expert, share] : every.shares) EXPECT_GE(share, 0.01);
}

TEST(PromptRule, AnExpertHasTheLargestOfItsTasksScores) {
  const PromptRows rows = random_rows(5, 12, {0, 1, 0}, 12);
  const PromptRule rule = PromptRule::fit(rows, 2, options());
  const at::Tensor query = at::randn({12});
  const at::Tensor scores = rule.task_scores(query.unsqueeze(0))[0];
  const double first = std::max(scores[0].item<double>(), scores[2].item<double>());
  const std::vector<double> log_p = rule.decide({{kLayer, query}}).log_probabilities;
  EXPECT_NEAR(log_p[0] - log_p[1], (first - scores[1].item<double>()) / rule.temperature(), 1e-9);
}

}  // namespace
}  // namespace quiver
