#include "routing/second_look.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "routing/prompt_rows.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

constexpr std::int64_t kLow = 1, kFirst = 2, kDeep = 5, kWidth = 8;

// Far along axis 0, a step along the task's own axis, and the last two axes nearly unused.
at::Tensor row_of(std::int64_t task) {
  at::Tensor row = at::zeros({kWidth});
  row[0] = 10;
  row[1 + task] = 1;
  return row;
}

// 20 rows of each of `experts` tasks, not the same at each layer.
PromptRule rule_at(std::int64_t layer, std::int64_t experts, PromptRuleOptions options = {}) {
  at::manual_seed(static_cast<std::uint64_t>(layer));
  std::vector<at::Tensor> rows;
  PromptRows all;
  for (std::int64_t task = 0; task < experts; ++task) {
    all.owners.push_back(static_cast<std::size_t>(task));
    for (int i = 0; i < 20; ++i) {
      rows.push_back(row_of(task) + at::randn({kWidth}) * 0.05);
      all.tasks.push_back(task);
    }
  }
  all.features[layer] = at::stack(rows);
  options.layer = layer;
  return PromptRule::fit(all, static_cast<std::size_t>(experts), options);
}

SecondLook look_of(std::int64_t experts) {
  return SecondLook::fit(rule_at(kLow, experts), rule_at(kDeep, experts));
}

// A prompt halfway between all tasks, moved off the rows' subspace at some layers.
std::map<std::int64_t, at::Tensor> between(std::int64_t experts, std::vector<std::int64_t> off = {}) {
  std::map<std::int64_t, at::Tensor> features;
  for (const std::int64_t layer : {kLow, kFirst, kDeep}) {
    at::Tensor row = at::zeros({kWidth});
    for (std::int64_t task = 0; task < experts; ++task) row += row_of(task) / static_cast<double>(experts);
    if (std::ranges::find(off, layer) != off.end()) row[kWidth - 1] = 3;
    features[layer] = row;
  }
  return features;
}

TEST(SecondLook, KeepsAPromptInTheSubspaceThatSomeTaskIsLike) {
  // At the rows' mean the regression says each task's share of the rows: 1/2 is enough, 1/4 is not.
  const PromptRule two = rule_at(kFirst, 2), four = rule_at(kFirst, 4);
  const PromptDecision half = look_of(2).decide(two, between(2));
  EXPECT_FALSE(half.is_foreign);
  EXPECT_NEAR(half.likeness[0], 0.5, 0.02);
  EXPECT_EQ(half.shares.size(), 2u);
  const PromptDecision quarter = look_of(4).decide(four, between(4));
  EXPECT_TRUE(quarter.is_foreign);
  EXPECT_TRUE(quarter.shares.empty());
  EXPECT_NEAR(quarter.likeness[0], 0.25, 0.02);
}

TEST(SecondLook, APromptOffTheSubspaceAtEitherLayerStaysForeign) {
  const PromptRule first = rule_at(kFirst, 2);
  const SecondLook look = look_of(2);
  EXPECT_TRUE(look.decide(first, between(2, {kLow})).is_foreign);
  EXPECT_TRUE(look.decide(first, between(2, {kDeep})).is_foreign);
  EXPECT_FALSE(look.decide(first, between(2, {kFirst})).is_foreign);
  PromptRuleOptions never;
  never.abstains = false;
  const PromptDecision eager = look.decide(rule_at(kFirst, 2, never), between(2, {kLow, kDeep}));
  EXPECT_FALSE(eager.is_foreign);
  EXPECT_FALSE(eager.shares.empty());
}

TEST(SecondLook, ProbabilitiesAreTheGeometricMeanOfTheLayers) {
  const PromptRule low = rule_at(kLow, 3), first = rule_at(kFirst, 3), deep = rule_at(kDeep, 3);
  std::map<std::int64_t, at::Tensor> prompt = between(3);
  for (auto& [layer, row] : prompt) row = row + row_of(layer % 3) * 0.01;
  const PromptDecision joined = SecondLook::fit(low, deep).decide(first, prompt);
  std::vector<double> products;
  double sum = 0;
  for (std::size_t e = 0; e < 3; ++e) {
    double product = 1;
    for (const PromptRule* rule : {&low, &first, &deep})
      product *= std::exp(rule->decide(prompt).log_probabilities[e]);
    products.push_back(std::cbrt(product));
    sum += products.back();
  }
  for (std::size_t e = 0; e < 3; ++e)
    EXPECT_NEAR(std::exp(joined.log_probabilities[e]), products[e] / sum, 1e-12);
}

TEST(SecondLook, RestoredItDecidesWithTheSameBits) {
  const PromptRule first = rule_at(kFirst, 3);
  const SecondLook look = look_of(3);
  const SecondLook again = SecondLook::restore(look.tensors(), {.layer = kLow}, {.layer = kDeep});
  EXPECT_EQ(again.layers(), (std::vector<std::int64_t>{kLow, kDeep}));
  for (const auto& prompt : {between(3), between(2), between(3, {kLow})}) {
    const PromptDecision expected = look.decide(first, prompt), decision = again.decide(first, prompt);
    EXPECT_EQ(decision.shares, expected.shares);
    EXPECT_EQ(decision.log_probabilities, expected.log_probabilities);
    EXPECT_EQ(decision.is_foreign, expected.is_foreign);
  }
}

TEST(SecondLook, WithoutAnExpertEqualsTheOthersAlone) {
  // The others' rows are the same random numbers only if the last expert goes.
  const SecondLook less = look_of(3).without(2), anew = look_of(2);
  const PromptRule first = rule_at(kFirst, 2);
  const PromptDecision left = less.decide(first, between(2)), expected = anew.decide(first, between(2));
  EXPECT_EQ(left.is_foreign, expected.is_foreign);
  EXPECT_NEAR(less.tensors().at("least_rank").item<double>(), anew.tensors().at("least_rank").item<double>(),
              1e-12);
  for (std::size_t e = 0; e < 2; ++e)
    EXPECT_NEAR(left.log_probabilities[e], expected.log_probabilities[e], 1e-8);
}

TEST(SecondLook, RefusesRulesOfOtherRows) {
  const std::string message = "a prompt's second look reads two layers of different rows";
  EXPECT_EQ(error_message([] { SecondLook::fit(rule_at(kLow, 2), rule_at(kDeep, 3)); }), message);
  auto tensors = look_of(2).tensors();
  tensors.erase("least_rank");
  EXPECT_EQ(error_message([&] { SecondLook::restore(tensors, {.layer = kLow}, {.layer = kDeep}); }),
            "a stored prompt rule has no number 'least_rank' for its second look");
}

}  // namespace
}  // namespace quiver
