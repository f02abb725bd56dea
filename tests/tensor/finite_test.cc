#include "tensor/finite.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/random_blocks.h"

namespace quiver {
namespace {

TEST(AllFinite, FindsOneBadNumberAnywhere) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    at::Tensor values = at::full({3, 37}, type == at::kHalf ? -65504 : -3.0e38, type);
    EXPECT_TRUE(all_finite(values)) << type;
    for (const double bad : {kInfinity, -kInfinity, kNaN, -kNaN}) {
      for (const int place : {0, 50, 110}) {
        at::Tensor broken = values.clone();
        broken.view(-1)[place] = bad;
        EXPECT_FALSE(all_finite(broken)) << type << " " << bad << " at " << place;
        EXPECT_FALSE(all_finite(broken.t())) << type << " " << bad << " at " << place;
      }
    }
  }
}

TEST(AllFinite, TakesTheEndsOfTheRangeAndNothing) {
  using Limits = std::numeric_limits<float>;
  EXPECT_TRUE(all_finite(at::tensor({Limits::max(), Limits::lowest(), Limits::denorm_min(), -0.0f})));
  EXPECT_TRUE(all_finite(at::empty({0}, at::kFloat)));
  // A view that leaves the bad number out.
  EXPECT_TRUE(all_finite(at::tensor({1.0f, Limits::infinity(), 2.0f, 3.0f}).slice(0, 0, 4, 2)));
}

TEST(AllFinite, FindsABadScaleInBlocksOfEveryFormat) {
  for (int format = 0; format < kBlockFormats; ++format) {
    const QuantizedBlocks blocks = test::random_blocks(static_cast<BlockFormat>(format), 3, 512, 7);
    EXPECT_TRUE(all_finite(blocks)) << format;
    // Infinity in the last half-precision number of a block makes numbers that are not finite where it is a
    // scale or a minimum, and only there.
    for (std::int64_t place = 0; place + 1 < block_bytes(blocks.format); place += 2) {
      QuantizedBlocks broken = blocks;
      const std::int64_t last = static_cast<std::int64_t>(blocks.bytes.size()) - block_bytes(blocks.format);
      broken.bytes[static_cast<std::size_t>(last + place)] = 0;
      broken.bytes[static_cast<std::size_t>(last + place + 1)] =
          blocks.format == BlockFormat::kBF16 ? 0x7f : 0x7c;
      if (blocks.format == BlockFormat::kBF16)
        broken.bytes[static_cast<std::size_t>(last + place)] = static_cast<char>(0x80);
      EXPECT_EQ(all_finite(broken), at::isfinite(test::dequantized(broken)).all().item<bool>())
          << format << " at " << place;
    }
  }
}

TEST(AllFinite, IntegersAre) { EXPECT_TRUE(all_finite(at::full({3}, 7, at::kByte))); }

}  // namespace
}  // namespace quiver
