#include "tensor/quantize.h"

#include <limits>

#include "support/random_blocks.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::dequantized;
using test::max_difference;
using test::random_tensor;

TEST(RoundToQ8, IsAtMostHalfAStepAway) {
  const at::Tensor weight = random_tensor({21, 96}, 9);
  const at::Tensor difference = (dequantized(round_to_q8_0(weight)) - weight).abs();
  for (std::int64_t first = 0; first < 96; first += 32) {
    const at::Tensor step = weight.slice(1, first, first + 32).abs().amax(1, true) / 127;
    // Scales are rounded to half precision, upwards: steps may be 1 / 1024 longer.
    EXPECT_TRUE((difference.slice(1, first, first + 32) <= step * 0.5006).all().item<bool>());
  }
}

TEST(RoundToQ8, KeepsSmallLargeAndZeroBlocks) {
  const at::Tensor weight = at::cat({at::zeros({1, 32}), at::full({1, 32}, 1e-7), at::full({1, 32}, 8e6)});
  const at::Tensor kept = dequantized(round_to_q8_0(weight));
  EXPECT_TRUE((kept[0] == 0).all().item<bool>());
  EXPECT_LT(max_difference(kept[1], weight[1]), 3e-8);  // half the smallest half-precision number
  EXPECT_LT(max_difference(kept[2], weight[2]), 8e6 / 127);
}

TEST(RoundToQ8, RefusesWeightsWithoutAScale) {
  const auto refusal = [](double value) {
    return test::error_message([&] { round_to_q8_0(at::full({40, 32}, value)); });
  };
  EXPECT_EQ(refusal(1e9), "a weight of 1000000000.000000 cannot be kept in 8 bits | use float32");
  EXPECT_EQ(refusal(std::numeric_limits<double>::infinity()),
            "a weight of inf cannot be kept in 8 bits | use float32");
  EXPECT_NE(refusal(std::numeric_limits<double>::quiet_NaN()).find("nan"), std::string::npos);
}

TEST(RoundToQ8, RefusesOneBadNumberWhereverItStands) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), 1e9}) {
    for (const std::int64_t place : {0, 17, 31, 63}) {
      at::Tensor weight = random_tensor({3, 64}, 1);
      weight[1][place] = bad;
      EXPECT_NE(test::error_message([&] { round_to_q8_0(weight); }).find("cannot be kept in 8 bits"),
                std::string::npos)
          << bad << " at " << place;
    }
  }
}

TEST(BlocksOfHalves, AreTheNumbers) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor weight = random_tensor({64, 5}, 1).to(type).t();
    const std::optional<QuantizedBlocks> blocks = blocks_of_halves(weight);
    ASSERT_TRUE(blocks);
    EXPECT_TRUE(at::equal(dequantized(*blocks), weight.to(at::kFloat)));
    EXPECT_FALSE(blocks_of_halves(at::zeros({2, 33}, type)));
  }
  EXPECT_FALSE(blocks_of_halves(at::zeros({2, 32})));
}

}  // namespace
}  // namespace quiver
