#include "kernels/mixture.h"

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
using test::stacked_slot;
using test::top_k_softmax;

struct Case {
  std::int64_t tokens, width, slots, experts, rank;
  MixtureRule rule;
};

std::string case_name(const testing::TestParamInfo<Case>& instance) {
  const Case& c = instance.param;
  const std::string logits = c.rule.logits == LogitKind::kAbsolute ? "Absolute"
                             : c.rule.logits == LogitKind::kNorm   ? "Norm"
                                                                   : "Standardized";
  return logits + std::to_string(c.rule.vectors) + (c.rule.prior.empty() ? "" : "Prior") +
         (c.rule.lines.empty() ? "" : "Lines") + (c.rule.prefilter > 0 ? "Prefilter" : "") +
         (c.rule.equal_weights ? "Equal" : "") + (c.rule.merge_before ? "Before" : "After") +
         std::to_string(c.tokens) + "Tokens" + std::to_string(c.width) + "Wide" + std::to_string(c.slots) +
         "Slots" + std::to_string(c.experts) + "Experts" + std::to_string(c.rank) + "Rank" +
         std::to_string(c.rule.top_k) + "TopK";
}

MixtureRule rule_of(bool standardized, std::int64_t top_k, double temperature, bool before) {
  return {.input = standardized ? RouterInput::kStandardized : RouterInput::kPlain,
          .logits = standardized ? LogitKind::kSigned : LogitKind::kAbsolute,
          .top_k = top_k,
          .temperature = temperature,
          .merge_before = before};
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const bool standardized : {false, true}) {
    for (const bool before : {false, true}) {
      const auto rule = [&](std::int64_t top_k, double temperature) {
        return rule_of(standardized, top_k, temperature, before);
      };
      for (const std::int64_t top_k : {1, 2, 4, 5}) result.push_back({23, 17, 3, 5, 3, rule(top_k, 0.7)});
      result.push_back({1, 8, 1, 1, 1, rule(1, 1.0)});
      result.push_back({1300, 33, 2, 20, 4, rule(3, 4.2)});
      // The last number of tokens whose products are made where they are mixed, and the first beyond it.
      for (const std::int64_t tokens : {64, 65}) result.push_back({tokens, 40, 2, 256, 5, rule(2, 1.0)});
      result.push_back({0, 8, 2, 3, 2, rule(2, 1.0)});
    }
  }
  for (const std::int64_t tokens : {9, 80}) {
    MixtureRule norm{.logits = LogitKind::kNorm, .vectors = 3, .top_k = 2, .temperature = 0.5};
    result.push_back({tokens, 17, 2, 5, 3, norm});
    norm.prior = {0.5f, -1, 0, 2, 0.25f};
    result.push_back({tokens, 17, 2, 5, 3, norm});
    for (int i = 0; i < 10; ++i) norm.lines.push_back({0.5f + 0.1f * static_cast<float>(i), i - 4.0f});
    result.push_back({tokens, 17, 2, 5, 3, norm});
    norm.prefilter = 3;
    result.push_back({tokens, 17, 2, 5, 3, norm});
    norm.equal_weights = true;
    result.push_back({tokens, 17, 2, 5, 3, norm});
    result.push_back(
        {tokens,
         17,
         1,
         4,
         2,
         {.input = RouterInput::kUnit, .logits = LogitKind::kNorm, .top_k = 3, .temperature = 2}});
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
  const at::Tensor drawn = random_tensor({c.slots * c.experts * c.rule.vectors, c.width}, 4);
  const at::Tensor vectors = c.rule.input == RouterInput::kStandardized ? standardized_rows(drawn) : drawn;
  const at::Tensor before = random_tensor({c.tokens, c.slots * (kOut + kGap)}, 5);

  std::vector<MixtureSlot> slots;
  for (std::int64_t slot = 0; slot < c.slots; ++slot)
    slots.push_back(stacked_slot(a[slot], b[slot], slot * (kOut + kGap)));
  at::Tensor y = before.clone(), recorded = at::zeros({c.tokens, c.slots, c.experts});
  add_mixture(y, x, vectors, slots, c.rule, &recorded);

  at::Tensor expected = before.clone();
  for (std::int64_t slot = 0; slot < c.slots; ++slot) {
    const std::int64_t own = c.experts * c.rule.vectors;
    const at::Tensor logits = mixture_logits(x, vectors.narrow(0, slot * own, own), c.rule, slot);
    const at::Tensor weights = mixture_weights(logits, c.rule);
    EXPECT_LT(max_difference(recorded.select(1, slot), weights), 1e-4);
    std::vector<LoraWeights> experts;
    for (std::int64_t e = 0; e < c.experts; ++e)
      experts.push_back({a[slot][e], b[slot][e].t().contiguous(), 1.0});
    expected.narrow(1, slots[static_cast<std::size_t>(slot)].column(), kOut)
        .add_(c.rule.merge_before ? combine_parameter_reference(x, experts, weights)
                                  : combine_output_reference(x, experts, weights));
  }
  EXPECT_LT(max_difference(y, expected), 2e-4);  // of values up to 40
  at::Tensor twin = before.clone(), twin_weights = at::zeros_like(recorded);
  add_mixture_reference(twin, x, vectors, slots, c.rule, &twin_weights);
  EXPECT_LT(max_difference(twin, expected), 2e-4);
  EXPECT_LT(max_difference(twin_weights, recorded), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Shapes, MixtureTest, testing::ValuesIn(cases()), case_name);

// One slot of rank 1 whose experts see 10, 20, 30, ... of the token 1 and give it out unchanged.
std::vector<MixtureSlot> plain_experts(std::int64_t count) {
  return {
      stacked_slot((at::arange(1, count + 1, at::kFloat) * 10).view({count, 1, 1}), at::ones({count, 1, 1}))};
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
    const std::vector<MixtureSlot> slots = {
        stacked_slot(random_tensor({3, 2, 24}, 3), random_tensor({3, 2, 6}, 4))};
    const MixtureRule rule = rule_of(true, 2, 1.0, false);
    at::Tensor apart = at::zeros({tokens, 6}), together = at::zeros({tokens, 6});
    add_mixture(apart, wide.narrow(1, 3, 24), vectors, slots, rule);
    add_mixture(together, wide.narrow(1, 3, 24).contiguous(), vectors, slots, rule);
    EXPECT_LT(max_difference(apart, together), 3e-5);  // of values up to 10
    EXPECT_GT(together.abs().max().item<double>(), 0.1);
  }
}

TEST(AddMixture, EqualLogitsGoToTheLowerNumber) {
  EXPECT_EQ(mixed({1, -2, 2}, rule_of(false, 1, 1.0, false)), 20.0f);
}

TEST(AddMixture, MergingBeforeAveragesBothFactors) {
  // Weights 1/2 each: (10/2 + 20/2) times (1/2 + 1/2), against 10/2 + 20/2 without; and with weights 1/3 and
  // 2/3, which a ratio of 2 gives: (10/3 + 40/3) times 1.
  EXPECT_FLOAT_EQ(mixed({5, 5}, rule_of(false, 2, 1.0, true)), 15.0f);
  EXPECT_FLOAT_EQ(mixed({1, 1 + std::log(2.0f)}, rule_of(false, 2, 1.0, true)), 50.0f / 3);
}

// A softmax over all gives 1/8, 2/8 and 5/8; the kept 7/8 plus 1/8 divide them by 1.
TEST(AddMixture, AnEpsilonBesideTheSumOfTheKeptWeights) {
  const std::vector<float> products = {0, std::log(2.0f), std::log(5.0f)};
  const MixtureRule rule{.top_k = 2, .kept_sum_epsilon = 0.125};
  EXPECT_FLOAT_EQ(mixed(products, rule), 20 * 2.0f / 8 + 30 * 5.0f / 8);
  EXPECT_LT(max_difference(top_k_softmax(at::tensor(products).view({1, 3}), 2, 0.125),
                           at::tensor({0.0f, 2.0f / 8, 5.0f / 8}).view({1, 3})),
            1e-6);
}

TEST(AddMixture, HugeLogitsGiveAllWeightToTheLargest) {
  EXPECT_EQ(mixed({1e30f, -2e30f, 5}, rule_of(false, 2, 0.01, false)), 20.0f);
}

TEST(AddMixture, NanIsChosenLastAndShows) {
  EXPECT_EQ(mixed({NAN, 3, 1}, rule_of(false, 1, 1.0, false)), 20.0f);
  EXPECT_TRUE(std::isnan(mixed({NAN, 3, 1}, rule_of(false, 3, 1.0, false))));
}

// Ranks 1 and 4, and an expert that does not adapt the layer.
TEST(AddMixture, TakesMixedRanksAndAbsentExperts) {
  const at::Tensor x = random_tensor({90, 8}, 1), vectors = random_tensor({3, 8}, 2);
  const LoraFactors small{random_tensor({1, 8}, 3), random_tensor({1, 6}, 4)},
      large{random_tensor({4, 8}, 5), random_tensor({4, 6}, 6)};
  const std::vector<MixtureSlot> slots = {MixtureSlot({small, {}, large}, 0)};
  const std::vector<LoraWeights> plain = {
      {small.a, small.b.t(), 1}, {at::zeros({1, 8}), at::zeros({6, 1}), 1}, {large.a, large.b.t(), 1}};
  for (const bool before : {false, true}) {
    const MixtureRule rule = rule_of(false, 2, 1.0, before);
    at::Tensor y = at::zeros({90, 6});
    add_mixture(y, x, vectors, slots, rule);
    const at::Tensor weights = mixture_weights(mixture_logits(x, vectors, rule), rule);
    EXPECT_LT(max_difference(y, before ? combine_parameter_reference(x, plain, weights)
                                       : combine_output_reference(x, plain, weights)),
              1e-5);
  }
}

TEST(AddWeighted, SumsTheExpertsWithTheirWeights) {
  const at::Tensor x = random_tensor({70, 8}, 1), a = random_tensor({3, 2, 8}, 2),
                   b = random_tensor({3, 2, 6}, 3);
  const std::vector<MixtureSlot> slots = {stacked_slot(a, b)};
  const float weights[] = {0.5f, 0, 2};
  at::Tensor y = at::zeros({70, 6}), twin = at::zeros({70, 6});
  add_weighted(y, x, slots, weights);
  add_weighted_reference(twin, x, slots, weights);
  const at::Tensor expected = 0.5 * at::mm(at::mm(x, a[0].t()), b[0]) + 2 * at::mm(at::mm(x, a[2].t()), b[2]);
  EXPECT_LT(max_difference(y, expected), 1e-5);
  EXPECT_LT(max_difference(twin, expected), 1e-5);
}

TEST(AddWeighted, OfOneExpertIsAPlainLoraInAnyNumberOfRows) {
  const float one[] = {1};
  const at::Tensor a = random_tensor({1, 6, 35}, 1), b = random_tensor({1, 6, 11}, 2);
  for (const std::int64_t rows : {0, 1, 9, 700}) {
    const at::Tensor x = random_tensor({rows, 35}, 3);
    at::Tensor y = at::ones({rows, 14});
    add_weighted(y, x, std::vector<MixtureSlot>{stacked_slot(a, b, 3)}, one);
    at::Tensor expected = at::ones({rows, 14});
    expected.narrow(1, 3, 11).add_(at::mm(at::mm(x, a[0].t()), b[0]));
    EXPECT_LT(max_difference(y, expected), 1e-4) << rows;
  }
}

}  // namespace
}  // namespace quiver
