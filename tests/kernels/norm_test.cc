#include "kernels/norm.h"

#include <cmath>

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::gradient_of;
using test::max_difference;
using test::random_tensor;

struct Size {
  std::int64_t rows, width;
};

class RmsNormTest : public testing::TestWithParam<Size> {};

TEST_P(RmsNormTest, AgreesWithTheReference) {
  const auto [rows, width] = GetParam();
  const at::Tensor x = random_tensor({rows, width}, 1) * 3.0, weight = random_tensor({width}, 2);
  const at::Tensor direction = random_tensor({rows, width}, 3);
  const auto fused = [&](const at::Tensor& input) { return rms_norm(input, weight, 1e-5); };
  const auto reference = [&](const at::Tensor& input) { return rms_norm_reference(input, weight, 1e-5); };
  // Sums of a few hundred float32 products in another order.
  EXPECT_LT(max_difference(fused(x), reference(x)), 5e-6);
  EXPECT_LT(max_difference(gradient_of(fused, x, direction), gradient_of(reference, x, direction)), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Sizes, RmsNormTest,
                         testing::Values(Size{0, 8}, Size{1, 1}, Size{1, 576}, Size{7, 33}, Size{300, 129}),
                         [](const auto& instance) {
                           return std::to_string(instance.param.rows) + "x" +
                                  std::to_string(instance.param.width);
                         });

TEST(RmsNorm, GivesTheFormulasValue) {
  const at::Tensor x = at::tensor({3.0f, -4.0f}).view({1, 2});
  const at::Tensor y = rms_norm(x, at::tensor({1.0f, 2.0f}), 0.0);
  const double root = std::sqrt(12.5);  // of the mean square of 3 and -4
  EXPECT_NEAR(y[0][0].item<double>(), 3 / root, 1e-6);
  EXPECT_NEAR(y[0][1].item<double>(), -8 / root, 1e-6);
}

TEST(RmsNorm, ARowOfZerosStaysFinite) {
  const at::Tensor x = at::zeros({2, 5}), weight = at::ones({5});
  EXPECT_TRUE(at::equal(rms_norm(x, weight, 1e-6), x));
  const at::Tensor gradient = gradient_of(
      [&](const at::Tensor& input) { return rms_norm(input, weight, 1e-6); }, x, at::ones({2, 5}));
  EXPECT_NEAR(gradient.max().item<double>(), 1000, 0.1);  // 1 / sqrt(eps)
}

TEST(RmsNorm, OtherTypesAndLayoutsTakeTheReference) {
  const at::Tensor wide = random_tensor({4, 12}, 4), weight = random_tensor({6}, 5);
  const at::Tensor strided = wide.slice(1, 0, 12, 2);
  EXPECT_LT(max_difference(rms_norm(strided, weight, 1e-5), rms_norm(strided.contiguous(), weight, 1e-5)),
            5e-6);
  const at::Tensor half = strided.to(at::kBFloat16), half_weight = weight.to(at::kBFloat16);
  EXPECT_EQ(rms_norm(half, half_weight, 1e-5).scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace quiver
