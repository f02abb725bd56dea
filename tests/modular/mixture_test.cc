#include "kernels/mixture.h"

#include "routing/routing.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::max_difference;
using test::random_tensor;

struct Case {
  std::int64_t tokens, width;
  MixtureShape shape;
};

std::string case_name(const testing::TestParamInfo<Case>& instance) {
  const Case& c = instance.param;
  return std::string(c.shape.logits == LogitKind::kAbsolute ? "Absolute" : "Standardised") +
         (c.shape.merge_before ? "Before" : "After") + std::to_string(c.tokens) + "Tokens" +
         std::to_string(c.width) + "Wide" + std::to_string(c.shape.slots) + "Slots" +
         std::to_string(c.shape.experts) + "Experts" + std::to_string(c.shape.rank) + "Rank" +
         std::to_string(c.shape.top_k) + "TopK";
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const LogitKind kind : {LogitKind::kAbsolute, LogitKind::kStandardised}) {
    for (const bool before : {false, true}) {
      for (const std::int64_t top_k : {1, 2, 4, 5})
        result.push_back({23, 17, {3, 5, 3, top_k, kind, 0.7, before}});
      result.push_back({1, 8, {1, 1, 1, 1, kind, 1.0, before}});
      result.push_back({300, 33, {2, 20, 4, 3, kind, 4.2, before}});
      result.push_back({0, 8, {2, 3, 2, 2, kind, 1.0, before}});
    }
  }
  return result;
}

// mix_experts, and the products before and after it, against routing and combination written plainly.
class MixtureTest : public testing::TestWithParam<Case> {};

TEST_P(MixtureTest, AgreesWithTheReference) {
  const auto& [tokens, width, shape] = GetParam();
  const at::Tensor x = random_tensor({tokens, width}, 1) + 0.3;
  const at::Tensor a = random_tensor({shape.slots, shape.experts, shape.rank, width}, 2);
  const at::Tensor b = random_tensor({shape.slots, shape.experts, shape.rank, 6}, 3);
  const at::Tensor vectors = random_tensor({shape.slots, shape.experts, width}, 4);
  const bool standardised = shape.logits == LogitKind::kStandardised;

  std::vector<at::Tensor> stacked = {a.flatten(0, 2)};
  for (std::int64_t slot = 0; slot < shape.slots; ++slot)
    stacked.push_back(standardised ? standardise_gates(vectors[slot]) : vectors[slot]);
  at::Tensor products = at::mm(x, at::cat(stacked).t());
  mix_experts(products, x, shape);

  for (std::int64_t slot = 0; slot < shape.slots; ++slot) {
    SCOPED_TRACE(slot);
    const at::Tensor logits = standardised ? phatgoose_logits(x, vectors[slot], shape.temperature)
                                           : arrow_logits(x, vectors[slot], shape.temperature);
    const Routing routing = top_k_softmax(logits, static_cast<int>(shape.top_k));
    const at::Tensor weights = at::zeros_like(logits).scatter_(1, routing.indices, routing.weights);
    const std::int64_t at_weights = shape.slots * shape.hidden_width() + slot * shape.experts;
    EXPECT_LT(max_difference(products.narrow(1, at_weights, shape.experts), weights), 1e-5);

    std::vector<LoraWeights> experts;
    for (std::int64_t e = 0; e < shape.experts; ++e)
      experts.push_back({a[slot][e], b[slot][e].t().contiguous(), 1.0});
    const at::Tensor update =
        at::mm(products.narrow(1, slot * shape.hidden_width(), shape.hidden_width()), b[slot].flatten(0, 1));
    const at::Tensor expected = shape.merge_before ? combine_parameter_reference(x, experts, routing)
                                                   : combine_output_reference(x, experts, routing);
    EXPECT_LT(max_difference(update, expected), 1e-4);  // of values up to 40
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, MixtureTest, testing::ValuesIn(cases()), case_name);

TEST(MixExperts, EqualLogitsGoToTheLowerNumber) {
  // One slot, three experts of rank 1: A x of 10, 20, 30 and logits 1, -2, 2, whose sizes decide.
  at::Tensor products = at::tensor({10.0f, 20.0f, 30.0f, 1.0f, -2.0f, 2.0f}).view({1, 6});
  mix_experts(products, at::ones({1, 2}), {1, 3, 1, 1, LogitKind::kAbsolute, 1.0, false});
  EXPECT_TRUE(at::equal(products, at::tensor({0.0f, 20.0f, 0.0f, 0.0f, 1.0f, 0.0f}).view({1, 6})))
      << products;
}

TEST(MixExperts, MergingBeforeAveragesBothFactors) {
  // Weights 1/2 each: every row becomes w_e (w_0 h_0 + w_1 h_1).
  at::Tensor products = at::tensor({10.0f, 30.0f, 5.0f, 5.0f}).view({1, 4});
  mix_experts(products, at::ones({1, 2}), {1, 2, 1, 2, LogitKind::kAbsolute, 1.0, true});
  EXPECT_TRUE(at::equal(products, at::tensor({10.0f, 10.0f, 0.5f, 0.5f}).view({1, 4}))) << products;
}

TEST(MixExperts, HugeLogitsGiveAllWeightToTheLargest) {
  at::Tensor products = at::tensor({1.0f, 1.0f, 1.0f, 1e30f, -2e30f, 5.0f}).view({1, 6});
  mix_experts(products, at::ones({1, 2}), {1, 3, 1, 2, LogitKind::kAbsolute, 0.01, false});
  EXPECT_TRUE(at::equal(products.slice(1, 3), at::tensor({0.0f, 1.0f, 0.0f}).view({1, 3}))) << products;
}

}  // namespace
}  // namespace quiver
