#include "tensor/finite.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

namespace quiver {
namespace {

TEST(AllFinite, FindsOneBadNumberAnywhere) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    at::Tensor values = at::full({3, 37}, -3.0e38, type);
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

}  // namespace
}  // namespace quiver
