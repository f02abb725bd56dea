#include "kernels/mixture_reference.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "support/mixture_reference.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::arrow_logits;
using test::combine_output_reference;
using test::combine_parameter_reference;
using test::error_message;
using test::phatgoose_logits;
using test::slot_of;
using test::top_k_softmax;

void expect_near(const at::Tensor& actual, const at::Tensor& expected, double tolerance = 1e-6) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_TRUE(at::allclose(actual, expected, 0, tolerance)) << actual << expected;
}

TEST(ArrowLogits, AreAbsoluteInnerProductsOverTheTemperature) {
  const at::Tensor x = at::tensor({1.0f, 2.0f, -3.0f, 0.0f}).view({2, 2});
  const at::Tensor prototypes = at::tensor({0.6f, 0.8f, 0.0f, -1.0f, 1.0f, 0.0f}).view({3, 2});
  const at::Tensor expected = at::tensor({2.2f, 2.0f, 1.0f, 1.8f, 0.0f, 3.0f}).view({2, 3});
  expect_near(arrow_logits(x, prototypes, 1), expected);
  expect_near(arrow_logits(x, prototypes, 0), expected);
  expect_near(arrow_logits(x, prototypes, 4), expected / 4);
  EXPECT_EQ(arrow_logits(x.to(at::kBFloat16), prototypes, 1).scalar_type(), at::kFloat);
}

TEST(PhatgooseLogits, OfHandWorkedRows) {
  // LN(1, 2, 3, 4): mean 2.5, variance 1.25. LN(0, 0, 1, 1): mean 0.5, variance 0.25.
  // Their product is (1.5 + 0.5 + 0.5 + 1.5) / 2 / sqrt(1.25001 * 0.25001) = 2 / 0.5590..., over sqrt(4) = 2.
  const at::Tensor x = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({1, 4});
  const at::Tensor gates = at::tensor({0.0f, 0.0f, 1.0f, 1.0f}).view({1, 4});
  const double product = 2 / std::sqrt(1.25001 * 0.25001);
  EXPECT_NEAR(phatgoose_logits(x, gates, 0).item<double>(), product / 2, 1e-5);
  EXPECT_NEAR(phatgoose_logits(x, gates, 1).item<double>(), product, 1e-5);
}

TEST(PhatgooseLogits, AgreeWithTheFormulaInFloat64) {
  at::manual_seed(5);
  const at::Tensor x = at::randn({6, 24}) * 3 + 1;
  // Small gates, as a short training leaves them: here eps matters.
  const at::Tensor gates = at::randn({5, 24}) * 1e-3;
  const auto standard = [](const at::Tensor& rows) {
    const at::Tensor wide = rows.to(at::kDouble);
    const at::Tensor centred = wide - wide.mean(1).unsqueeze(1);
    return centred / (centred.square().mean(1).unsqueeze(1) + 1e-5).sqrt();
  };
  const at::Tensor expected = (at::mm(standard(x), standard(gates).t()) / std::sqrt(24.0)).to(at::kFloat);
  expect_near(phatgoose_logits(x, gates, 0), expected, 1e-5);
  expect_near(phatgoose_logits(x, gates, -1), expected, 1e-5);
}

TEST(Logits, RefuseOtherWidths) {
  EXPECT_EQ(error_message([] {
              arrow_logits(at::ones({2, 3}), at::ones({4, 5}), 1);
            }),
            "tokens [2, 3] do not fit prototypes [4, 5]; both need the same width");
  EXPECT_NE(error_message([] {
              phatgoose_logits(at::ones({2, 3}), at::ones({4, 5}), 1);
            }).find("[4, 5]"),
            std::string::npos);
}

TEST(MixtureWeights, KeepTheLargestAndNormalizeOverThem) {
  const double e = std::exp(1.0);
  const auto large = static_cast<float>(e / (e + 1)), small = static_cast<float>(1 / (e + 1));
  expect_near(top_k_softmax(at::tensor({1.0f, 3.0f, 2.0f, 0.0f}).view({1, 4}), 2),
              at::tensor({0.0f, large, small, 0.0f}).view({1, 4}));
}

TEST(MixtureWeights, GiveTiesToTheLowestNumber) {
  const at::Tensor logits = at::tensor({1.0f, 2.0f, 2.0f, 2.0f, 0.0f, 0.0f, 0.0f, 0.0f}).view({2, 4});
  expect_near(top_k_softmax(logits, 2),
              at::tensor({0.0f, 0.5f, 0.5f, 0.0f, 0.5f, 0.5f, 0.0f, 0.0f}).view({2, 4}));
}

TEST(MixtureWeights, OfAllExperts) {
  const at::Tensor logits = at::tensor({0.0f, 2.0f, 1.0f}).view({1, 3});
  for (const int top_k : {3, 0, -1}) expect_near(top_k_softmax(logits, top_k), at::softmax(logits, 1));
}

TEST(MixtureWeights, AgreeWithAStableSort) {
  at::manual_seed(6);
  const at::Tensor logits = at::randint(0, 9, {300, 17}).to(at::kFloat);  // many ties
  for (const int top_k : {1, 2, 5, 16}) {
    const auto [values, indices] = at::sort(logits, /*stable=*/true, 1, /*descending=*/true);
    const at::Tensor kept = at::softmax(values.narrow(1, 0, top_k), 1);
    expect_near(top_k_softmax(logits, top_k),
                at::zeros_like(logits).scatter_(1, indices.narrow(1, 0, top_k), kept));
  }
}

TEST(MixtureWeights, OfNoTokensAndOfBrokenLogits) {
  EXPECT_EQ(top_k_softmax(at::empty({0, 5}), 2).sizes(), (at::IntArrayRef{0, 5}));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor weights = top_k_softmax(at::tensor({nan, 1.0f, nan, -1.0f}).view({1, 4}), 2);
  EXPECT_FALSE(weights.isnan().any().item<bool>());
  EXPECT_TRUE(at::equal(weights.gt(0), at::tensor({0, 1, 0, 1}).to(at::kBool).view({1, 4})));
  EXPECT_TRUE(top_k_softmax(at::full({1, 4}, nan), 2).isnan().any().item<bool>());
  EXPECT_EQ(error_message([] {
              top_k_softmax(at::ones({1, 4}), 5);
            }),
            "top_k 5 is above the number of experts, 4");
}

TEST(MixtureWeights, MayBeEqual) {
  const MixtureRule rule{.top_k = 2, .equal_weights = true};
  expect_near(mixture_weights(at::tensor({1.0f, 3.0f, 2.0f}).view({1, 3}), rule),
              at::tensor({0.0f, 0.5f, 0.5f}).view({1, 3}));
  // What a prefilter left out gets nothing.
  const float none = -std::numeric_limits<float>::infinity();
  expect_near(mixture_weights(at::tensor({1.0f, none, none}).view({1, 3}), rule),
              at::tensor({1.0f, 0.0f, 0.0f}).view({1, 3}));
}

// Three experts of two vectors in two dimensions, x = (3, 4).
TEST(MixtureLogits, NormsOfSeveralProductsAPriorAndAPrefilter) {
  const at::Tensor x = at::tensor({3.0f, 4.0f}).view({1, 2});
  const at::Tensor vectors = at::tensor({1.0f, 0.0f, 0.0f, 1.0f,  // products 3, 4: norm 5
                                         0.0f, 1.0f, 0.0f, 0.0f,  // 4, 0: 4
                                         0.0f, -2.0f, 0.0f, 0.0f})
                                 .view({6, 2});  // -8, 0: 8
  MixtureRule rule{.logits = LogitKind::kNorm, .vectors = 2, .temperature = 2};
  expect_near(mixture_logits(x, vectors, rule), at::tensor({2.5f, 2.0f, 4.0f}).view({1, 3}));
  rule.prior = {10, 0, 0};
  expect_near(mixture_logits(x, vectors, rule), at::tensor({12.5f, 2.0f, 4.0f}).view({1, 3}));
  MixtureRule line = rule;  // of the second slot: 2 (5 / 2) - 1 + 10, 2 / 4 + 3, 4
  line.lines = {{7, 7}, {7, 7}, {7, 7}, {2, -1}, {0.25, 3}, {1, 0}};
  expect_near(mixture_logits(x, vectors, line, 1), at::tensor({14.0f, 3.5f, 4.0f}).view({1, 3}));
  rule.prefilter = 2;  // by the first vectors alone: 3, 4 and 8
  const at::Tensor filtered = mixture_logits(x, vectors, rule);
  EXPECT_TRUE(std::isinf(filtered[0][0].item<float>()));
  expect_near(filtered.narrow(1, 1, 2), at::tensor({2.0f, 4.0f}).view({1, 2}));
}

TEST(MixtureLogits, OfInputsOfUnitLengthWithTheirSign) {
  const MixtureRule rule{.input = RouterInput::kUnit, .logits = LogitKind::kSigned};
  expect_near(
      mixture_logits(at::tensor({3.0f, 4.0f}).view({1, 2}), at::tensor({0.0f, -5.0f}).view({1, 2}), rule),
      at::full({1, 1}, -4.0));
}

// Experts with A and B filled with one number each, in = 1, out = 2.
LoraWeights constant_expert(double a, double b, std::int64_t rank, double scale = 1) {
  return {at::full({rank, 1}, a, at::kFloat), at::full({2, rank}, b, at::kFloat), scale};
}

at::Tensor rows(std::vector<float> weights) { return at::tensor(weights, at::kFloat).view({-1, 2}); }

at::Tensor both_outputs(std::vector<float> values) {
  const at::Tensor column = at::tensor(values, at::kFloat).unsqueeze(1);
  return at::cat({column, column}, 1);
}

// The numbers of the reference's tests/test_lora.py; in its "merge before" case W = 0, all B = 1, rank and
// alpha 1.
TEST(CombineParameter, GivesTheNumbersOfTheReference) {
  const std::vector<LoraWeights> first = {constant_expert(1, 1, 1), constant_expert(2, 1, 1)};
  const std::vector<LoraWeights> second = {constant_expert(3, 1, 1), constant_expert(4, 1, 1)};
  const at::Tensor one = at::ones({1, 1});
  expect_near(combine_parameter_reference(one, first, rows({.5, .5})), both_outputs({1.5}));
  expect_near(combine_parameter_reference(one, second, rows({0, 1})), both_outputs({4}));
  expect_near(combine_parameter_reference(at::ones({2, 1}), first, rows({.5, .5, 0, 1})),
              both_outputs({1.5, 2}));
}

// Rank 3 and alpha 1, so the scale is 1/3.
TEST(CombineOutput, GivesTheNumbersOfTheReference) {
  const std::vector<LoraWeights> first = {constant_expert(1, 1, 3, 1. / 3), constant_expert(2, 2, 3, 1. / 3)};
  const std::vector<LoraWeights> second = {constant_expert(3, 1, 3, 1. / 3),
                                           constant_expert(4, 1, 3, 1. / 3)};
  const at::Tensor one = at::ones({1, 1});
  expect_near(combine_output_reference(one, first, rows({.5, .5})), both_outputs({2.5}));
  expect_near(combine_output_reference(one, second, rows({0, 1})), both_outputs({4}));
  expect_near(combine_output_reference(at::ones({2, 1}), first, rows({.5, .5, 0, 1})),
              both_outputs({2.5, 4}));
  // Derived: merged before, the cross terms give (.5 + 1)(.5 + 1) = 2.25.
  expect_near(combine_parameter_reference(one, first, rows({.5, .5})), both_outputs({2.25}));
}

TEST(Combine, OfOneExpertIsThatExpert) {
  at::manual_seed(7);
  std::vector<LoraWeights> experts;
  for (const std::int64_t rank : {2, 5, 3}) {
    experts.push_back({at::randn({rank, 8}), at::randn({6, rank}), 1.0 / static_cast<double>(rank)});
  }
  const at::Tensor x = at::randn({4, 8});
  const std::size_t own_of[] = {2, 0, 1, 1};
  at::Tensor routing = at::zeros({4, 3});
  for (std::int64_t t = 0; t < 4; ++t) routing[t][static_cast<std::int64_t>(own_of[t])] = 1;
  at::Tensor expected = at::empty({4, 6});
  for (std::int64_t t = 0; t < 4; ++t) {
    const LoraWeights& own = experts[own_of[t]];
    expected[t] = own.b.matmul(own.a.matmul(x[t])) * own.scale;
  }
  expect_near(combine_output_reference(x, experts, routing), expected, 1e-5);
  expect_near(combine_parameter_reference(x, experts, routing), expected, 1e-5);
}

TEST(Combine, OfMixedRanksAndScalesAgreesWithDenseMatrices) {
  at::manual_seed(8);
  const std::vector<LoraWeights> experts = {{at::randn({2, 5}), at::randn({3, 2}), 0.5},
                                            {at::randn({4, 5}), at::randn({3, 4}), 2.0}};
  const at::Tensor x = at::randn({1, 5});
  const at::Tensor routing = rows({.25, .75});
  const auto dense = [&](int i, int j) {  // B_i A_j over their common rank, with the scale of B_i
    const std::int64_t rank = std::min(experts[i].a.size(0), experts[j].a.size(0));
    return experts[i].scale * at::mm(experts[i].b.narrow(1, 0, rank), experts[j].a.narrow(0, 0, rank));
  };
  const at::Tensor own = .25 * dense(0, 0) + .75 * dense(1, 1);
  expect_near(combine_output_reference(x, experts, routing), at::mm(x, own.t()), 1e-5);
  const at::Tensor crossed = .0625 * dense(0, 0) + .1875 * (dense(0, 1) + dense(1, 0)) + .5625 * dense(1, 1);
  expect_near(combine_parameter_reference(x, experts, routing), at::mm(x, crossed.t()), 1e-5);
  // The twin of the kernel gives the same.
  expect_near(mixture_update(x, slot_of(experts), routing, false), at::mm(x, own.t()), 1e-5);
  expect_near(mixture_update(x, slot_of(experts), routing, true), at::mm(x, crossed.t()), 1e-5);
}

TEST(Combine, OfNoTokensIsEmpty) {
  const std::vector<LoraWeights> experts = {constant_expert(1, 1, 1), constant_expert(2, 1, 1)};
  const at::Tensor none = at::empty({0, 2});
  EXPECT_EQ(combine_output_reference(at::empty({0, 1}), experts, none).sizes(), (at::IntArrayRef{0, 2}));
  EXPECT_EQ(combine_parameter_reference(at::empty({0, 1}), experts, none).sizes(), (at::IntArrayRef{0, 2}));
}

}  // namespace
}  // namespace quiver
