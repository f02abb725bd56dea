#include "kernels/mixture.h"

#include "routing/routing.h"
#include "support/mixture_reference.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::combine_output_reference;
using test::combine_parameter_reference;
using test::max_difference;
using test::phatgoose_logits;
using test::random_tensor;

struct Case {
  std::int64_t tokens, width, slots, experts, rank;
  MixtureRule rule;
};

std::string case_name(const testing::TestParamInfo<Case>& instance) {
  const Case& c = instance.param;
  return std::string(c.rule.logits == LogitKind::kAbsolute ? "Absolute" : "Standardized") +
         (c.rule.merge_before ? "Before" : "After") + std::to_string(c.tokens) + "Tokens" +
         std::to_string(c.width) + "Wide" + std::to_string(c.slots) + "Slots" + std::to_string(c.experts) +
         "Experts" + std::to_string(c.rank) + "Rank" + std::to_string(c.rule.top_k) + "TopK";
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const LogitKind kind : {LogitKind::kAbsolute, LogitKind::kStandardized}) {
    for (const bool before : {false, true}) {
      for (const std::int64_t top_k : {1, 2, 4, 5})
        result.push_back({23, 17, 3, 5, 3, {kind, top_k, 0.7, before}});
      result.push_back({1, 8, 1, 1, 1, {kind, 1, 1.0, before}});
      result.push_back({1300, 33, 2, 20, 4, {kind, 3, 4.2, before}});
      // The last number of tokens whose products are made where they are mixed, and the first beyond it.
      for (const std::int64_t tokens : {64, 65})
        result.push_back({tokens, 40, 2, 256, 5, {kind, 2, 1.0, before}});
      result.push_back({0, 8, 2, 3, 2, {kind, 2, 1.0, before}});
    }
  }
  return result;
}

// add_mixture against routing and combination written plainly.
class MixtureTest : public testing::TestWithParam<Case> {};

TEST_P(MixtureTest, AgreesWithTheReference) {
  const Case& c = GetParam();
  constexpr std::int64_t kOut = 7, kGap = 2;
  const at::Tensor x = random_tensor({c.tokens, c.width}, 1) + 0.3;
  const at::Tensor a = random_tensor({c.slots, c.experts, c.rank, c.width}, 2);
  const at::Tensor b = random_tensor({c.slots, c.experts, c.rank, kOut}, 3);
  const at::Tensor vectors = random_tensor({c.slots, c.experts, c.width}, 4);
  const at::Tensor before = random_tensor({c.tokens, c.slots * (kOut + kGap)}, 5);
  const bool standardized = c.rule.logits == LogitKind::kStandardized;

  std::vector<MixtureSlot> slots;
  for (std::int64_t slot = 0; slot < c.slots; ++slot)
    slots.push_back({a[slot], b[slot], slot * (kOut + kGap)});
  at::Tensor y = before.clone();
  add_mixture(y, x, standardized ? standardize_gates(vectors.flatten(0, 1)) : vectors.flatten(0, 1), slots,
              c.rule);

  at::Tensor expected = before.clone();
  for (std::int64_t slot = 0; slot < c.slots; ++slot) {
    const at::Tensor logits = standardized ? phatgoose_logits(x, vectors[slot], c.rule.temperature)
                                           : arrow_logits(x, vectors[slot], c.rule.temperature);
    const Routing routing = top_k_softmax(logits, static_cast<int>(c.rule.top_k));
    std::vector<LoraWeights> experts;
    for (std::int64_t e = 0; e < c.experts; ++e)
      experts.push_back({a[slot][e], b[slot][e].t().contiguous(), 1.0});
    expected.narrow(1, slots[static_cast<std::size_t>(slot)].column, kOut)
        .add_(c.rule.merge_before ? combine_parameter_reference(x, experts, routing)
                                  : combine_output_reference(x, experts, routing));
  }
  EXPECT_LT(max_difference(y, expected), 1e-4);  // of values up to 40
}

INSTANTIATE_TEST_SUITE_P(Shapes, MixtureTest, testing::ValuesIn(cases()), case_name);

// One slot of rank 1 whose experts see 10, 20, 30, ... of the token 1 and give it out unchanged.
std::vector<MixtureSlot> plain_experts(std::int64_t count) {
  return {{(at::arange(1, count + 1, at::kFloat) * 10).view({count, 1, 1}), at::ones({count, 1, 1}), 0}};
}

float mixed(std::vector<float> products, const MixtureRule& rule) {
  const auto count = static_cast<std::int64_t>(products.size());
  at::Tensor y = at::zeros({1, 1});
  add_mixture(y, at::ones({1, 1}), at::tensor(products).view({count, 1}), plain_experts(count), rule);
  return y.item<float>();
}

TEST(AddMixture, TakesRowsThatStandApart) {
  for (const std::int64_t tokens : {5, 70}) {
    const at::Tensor wide = random_tensor({tokens, 40}, 1), vectors = random_tensor({3, 24}, 2);
    const std::vector<MixtureSlot> slots = {{random_tensor({3, 2, 24}, 3), random_tensor({3, 2, 6}, 4), 0}};
    const MixtureRule rule{LogitKind::kStandardized, 2, 1.0, false};
    at::Tensor apart = at::zeros({tokens, 6}), together = at::zeros({tokens, 6});
    add_mixture(apart, wide.narrow(1, 3, 24), vectors, slots, rule);
    add_mixture(together, wide.narrow(1, 3, 24).contiguous(), vectors, slots, rule);
    EXPECT_LT(max_difference(apart, together), 1e-5);
    EXPECT_GT(together.abs().max().item<double>(), 0.1);
  }
}

TEST(AddMixture, EqualLogitsGoToTheLowerNumber) {
  EXPECT_EQ(mixed({1, -2, 2}, {LogitKind::kAbsolute, 1, 1.0, false}), 20.0f);
}

TEST(AddMixture, MergingBeforeAveragesBothFactors) {
  // Weights 1/2 each: (10/2 + 20/2) times (1/2 + 1/2), against 10/2 + 20/2 without; and with weights 1/3 and
  // 2/3, which a ratio of 2 gives: (10/3 + 40/3) times 1.
  EXPECT_FLOAT_EQ(mixed({5, 5}, {LogitKind::kAbsolute, 2, 1.0, true}), 15.0f);
  EXPECT_FLOAT_EQ(mixed({1, 1 + std::log(2.0f)}, {LogitKind::kAbsolute, 2, 1.0, true}), 50.0f / 3);
}

// A softmax over all gives 1/8, 2/8 and 5/8; the kept 7/8 plus 1/8 divide them by 1.
TEST(AddMixture, AnEpsilonBesideTheSumOfTheKeptWeights) {
  const std::vector<float> products = {0, std::log(2.0f), std::log(5.0f)};
  const MixtureRule rule{.top_k = 2, .kept_sum_epsilon = 0.125};
  EXPECT_FLOAT_EQ(mixed(products, rule), 20 * 2.0f / 8 + 30 * 5.0f / 8);
  const Routing routing = top_k_softmax(at::tensor(products).view({1, 3}), 2, 0.125);
  EXPECT_LT(max_difference(routing.weights, at::tensor({5.0f / 8, 2.0f / 8}).view({1, 2})), 1e-6);
}

TEST(AddMixture, HugeLogitsGiveAllWeightToTheLargest) {
  EXPECT_EQ(mixed({1e30f, -2e30f, 5}, {LogitKind::kAbsolute, 2, 0.01, false}), 20.0f);
}

TEST(AddMixture, NanIsChosenLastAndShows) {
  EXPECT_EQ(mixed({NAN, 3, 1}, {LogitKind::kAbsolute, 1, 1.0, false}), 20.0f);
  EXPECT_TRUE(std::isnan(mixed({NAN, 3, 1}, {LogitKind::kAbsolute, 3, 1.0, false})));
}

TEST(AddFirstExpert, IsAPlainLoraInAnyNumberOfRows) {
  const at::Tensor a = random_tensor({1, 6, 35}, 1), b = random_tensor({1, 6, 11}, 2);
  for (const std::int64_t rows : {0, 1, 9, 700}) {
    const at::Tensor x = random_tensor({rows, 35}, 3);
    at::Tensor y = at::ones({rows, 14});
    add_first_expert(y, x, std::vector<MixtureSlot>{{a, b, 3}});
    at::Tensor expected = at::ones({rows, 14});
    expected.narrow(1, 3, 11).add_(at::mm(at::mm(x, a[0].t()), b[0]));
    EXPECT_LT(max_difference(y, expected), 1e-4) << rows;
  }
}

}  // namespace
}  // namespace quiver
