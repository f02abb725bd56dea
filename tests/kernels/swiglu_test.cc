#include "kernels/swiglu.h"

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

class SwiGluTest : public testing::TestWithParam<Size> {};

TEST_P(SwiGluTest, AgreesWithTheReference) {
  const auto [rows, width] = GetParam();
  const at::Tensor x = random_tensor({rows, 2 * width}, 1) * 3.0;
  const at::Tensor direction = random_tensor({rows, width}, 2);
  const auto fused = [](const at::Tensor& input) { return swiglu(input); };
  const auto reference = [](const at::Tensor& input) { return swiglu_reference(input); };
  EXPECT_LT(max_difference(swiglu(x), swiglu_reference(x)), 1e-5);  // values up to 100
  EXPECT_LT(max_difference(gradient_of(fused, x, direction), gradient_of(reference, x, direction)), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SwiGluTest,
                         testing::Values(Size{0, 8}, Size{1, 1}, Size{1, 1536}, Size{7, 33}, Size{300, 65}),
                         [](const auto& instance) {
                           return std::to_string(instance.param.rows) + "x" +
                                  std::to_string(instance.param.width);
                         });

TEST(SwiGlu, GivesTheFormulasValue) {
  const at::Tensor y = swiglu(at::tensor({1.0f, -2.0f, 3.0f, 5.0f}).view({1, 4}));
  EXPECT_NEAR(y[0][0].item<double>(), 1 / (1 + std::exp(-1.0)) * 3, 1e-6);
  EXPECT_NEAR(y[0][1].item<double>(), -2 / (1 + std::exp(2.0)) * 5, 1e-6);
}

TEST(SwiGlu, LargeGatesStayFinite) {
  const at::Tensor x = at::tensor({200.0f, -200.0f, 2.0f, 2.0f}).view({1, 4});
  EXPECT_LT(max_difference(swiglu(x), at::tensor({400.0f, 0.0f}).view({1, 2})), 1e-4);
  const at::Tensor gradient =
      gradient_of([](const at::Tensor& input) { return swiglu(input); }, x, at::ones({1, 2}));
  EXPECT_LT(max_difference(gradient, at::tensor({2.0f, 0.0f, 200.0f, 0.0f}).view({1, 4})), 1e-4);
}

TEST(SwiGlu, OtherTypesAndLayoutsTakeTheReference) {
  const at::Tensor strided = random_tensor({4, 24}, 3).slice(1, 0, 24, 2);
  EXPECT_LT(max_difference(swiglu(strided), swiglu(strided.contiguous())), 5e-6);
  EXPECT_EQ(swiglu(strided.to(at::kBFloat16)).scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace quiver
