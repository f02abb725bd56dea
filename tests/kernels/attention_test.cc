#include "kernels/attention.h"

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::gradient_of;
using test::max_difference;
using test::random_tensor;

struct Case {
  const char* name;
  AttentionShape shape;
  bool rotary;
  std::vector<std::int64_t> offsets;

  std::int64_t tokens() const { return offsets.back(); }
};

std::optional<RotaryAngles> angles(const Case& c) {
  if (!c.rotary) return std::nullopt;
  const at::Tensor angle = random_tensor({c.tokens(), c.shape.head_dim / 2}, 7);
  return RotaryAngles{angle.cos(), angle.sin()};
}

class RaggedAttentionTest : public testing::TestWithParam<Case> {};

TEST_P(RaggedAttentionTest, AgreesWithTheReference) {
  const Case& c = GetParam();
  const std::optional<RotaryAngles> rotary = angles(c);
  const at::Tensor qkv = random_tensor({c.tokens(), c.shape.qkv_width()}, 1);
  const at::Tensor direction = random_tensor({c.tokens(), c.shape.query_width()}, 2);
  const auto fused = [&](const at::Tensor& x) { return ragged_attention(x, rotary, c.offsets, c.shape); };
  const auto reference = [&](const at::Tensor& x) {
    return ragged_attention_reference(x, rotary, c.offsets, c.shape);
  };
  // Values of size 1: the order of float32 sums differs. Gradients of keys add up over all later queries.
  EXPECT_LT(max_difference(fused(qkv.clone()), reference(qkv)), 5e-6);
  EXPECT_LT(max_difference(gradient_of(fused, qkv, direction), gradient_of(reference, qkv, direction)), 5e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, RaggedAttentionTest,
    testing::Values(Case{"OneToken", {4, 2, 8, 0.35, 0}, true, {0, 1}},
                    Case{"OneHead", {1, 1, 6, 0.4, 0}, true, {0, 5, 8}},
                    Case{"OddSizes", {3, 3, 10, 0.3, 0}, true, {0, 7, 8, 21}},
                    Case{"EmptySequenceInTheMiddle", {4, 2, 8, 0.35, 0}, true, {0, 5, 5, 8}},
                    Case{"EmptySequencesAtBothEnds", {4, 2, 8, 0.35, 0}, true, {0, 0, 4, 4}},
                    Case{"OnlySingleTokens", {6, 2, 4, 0.5, 0}, true, {0, 1, 2, 3}},
                    Case{"GroupedQuery", {6, 2, 16, 0.25, 0}, true, {0, 9, 26}},
                    Case{"OneKeyValueHead", {5, 1, 8, 0.35, 0}, true, {0, 11}},
                    Case{"WindowBelowTheLength", {4, 2, 8, 0.35, 3}, true, {0, 20, 22}},
                    Case{"WindowAboveTheLength", {4, 2, 8, 0.35, 50}, true, {0, 20, 22}},
                    Case{"WindowOfTheLength", {4, 2, 8, 0.35, 20}, true, {0, 20, 22}},
                    Case{"WindowOfOne", {4, 2, 8, 0.35, 1}, true, {0, 6}},
                    Case{"UnscaledWithoutRotary", {4, 4, 8, 1.0, 8}, false, {0, 17, 30}},
                    Case{"SeveralRowBlocks", {2, 1, 8, 0.35, 0}, true, {0, 64, 129, 290}},
                    Case{"WindowAcrossRowBlocks", {2, 2, 8, 0.35, 70}, false, {0, 200, 210}}),
    [](const auto& instance) { return std::string(instance.param.name); });

// Without rotation the values can be read off: columns 8 .. 12 of each row.
TEST(RaggedAttention, SeesNothingButItsOwnSequenceAndWindow) {
  const AttentionShape shape{1, 1, 4, 0.5, 0};
  const at::Tensor qkv = random_tensor({6, 12}, 3);
  const at::Tensor values = qkv.narrow(1, 8, 4);
  const at::Tensor alone = ragged_attention(qkv, std::nullopt, {0, 1, 2, 3, 4, 5, 6}, shape);
  EXPECT_LT(max_difference(alone, values), 1e-6);
  AttentionShape window_of_one = shape;
  window_of_one.window = 1;
  EXPECT_LT(max_difference(ragged_attention(qkv, std::nullopt, {0, 6}, window_of_one), values), 1e-6);
}

TEST(RaggedAttention, EqualScoresGiveTheMeanOfTheValuesSoFar) {
  const AttentionShape shape{2, 1, 2, 1.0, 0};
  at::Tensor qkv = random_tensor({5, 8}, 4);
  qkv.narrow(1, 0, 4).zero_();  // queries of both heads
  const at::Tensor values = qkv.narrow(1, 6, 2);
  const at::Tensor means = values.cumsum(0) / at::arange(1, 6).unsqueeze(1);
  const at::Tensor out = ragged_attention(qkv, std::nullopt, {0, 5}, shape);
  EXPECT_LT(max_difference(out, at::cat({means, means}, 1)), 1e-6);
}

TEST(RaggedAttention, LargeScoresStayFinite) {
  const AttentionShape shape{2, 2, 4, 1.0, 0};
  const at::Tensor qkv = random_tensor({9, 24}, 5) * 100.0, direction = random_tensor({9, 8}, 6);
  const auto fused = [&](const at::Tensor& x) { return ragged_attention(x, std::nullopt, {0, 9}, shape); };
  EXPECT_LT(max_difference(fused(qkv), ragged_attention_reference(qkv, std::nullopt, {0, 9}, shape)), 1e-3);
  EXPECT_TRUE(gradient_of(fused, qkv, direction).isfinite().all().item<bool>());
}

TEST(RaggedAttention, BFloat16TakesTheReference) {
  const AttentionShape shape{4, 2, 8, 0.35, 0};
  const at::Tensor qkv = random_tensor({9, shape.qkv_width()}, 7);
  const at::Tensor out = ragged_attention(qkv.to(at::kBFloat16), std::nullopt, {0, 9}, shape);
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  EXPECT_LT(max_difference(out, ragged_attention(qkv, std::nullopt, {0, 9}, shape)), 0.05);  // 8 bits
}

}  // namespace
}  // namespace quiver
