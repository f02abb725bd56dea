#include "kernels/low_rank.h"

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::max_difference;
using test::random_tensor;

struct Inputs {
  at::Tensor x, a, b, y;

  Inputs(std::int64_t tokens, std::int64_t in, std::int64_t rank, std::int64_t out)
      : x(random_tensor({tokens, in}, 1)),
        a(random_tensor({rank, in}, 2)),
        b(random_tensor({rank, out}, 3)),
        y(random_tensor({tokens, out}, 4)) {
    for (at::Tensor* tensor : {&x, &a, &b, &y}) tensor->requires_grad_(true);
  }
};

TEST(AddLowRank, AgreesWithTheReferenceInValueAndGradients) {
  for (const std::int64_t tokens : {1, 7, 64, 65, 300}) {
    for (const auto& [in, rank, out] :
         {std::tuple<std::int64_t, std::int64_t, std::int64_t>{576, 12, 960}, {37, 1, 13}, {5, 3, 64}}) {
      SCOPED_TRACE(testing::Message() << tokens << " tokens, " << in << " to " << rank << " to " << out);
      const Inputs fused(tokens, in, rank, out), expected(tokens, in, rank, out);
      // A leaf may not be changed in place.
      const at::Tensor sum = add_low_rank(fused.y * 1, fused.x, fused.a, fused.b, 0.5);
      const at::Tensor reference =
          add_low_rank_reference(expected.y * 1, expected.x, expected.a, expected.b, 0.5);
      const auto near = [](const at::Tensor& left, const at::Tensor& right) {
        EXPECT_LT(max_difference(left, right), 1e-5 * std::max(1.0, right.abs().max().item<double>()));
      };
      near(sum, reference);
      const at::Tensor direction = random_tensor({tokens, out}, 5);
      sum.backward(direction);
      reference.backward(direction);
      near(fused.x.grad(), expected.x.grad());
      near(fused.a.grad(), expected.a.grad());
      near(fused.b.grad(), expected.b.grad());
      near(fused.y.grad(), expected.y.grad());
    }
  }
}

TEST(AddLowRank, TakesInputsWithoutGradientsAndNoTokens) {
  const at::Tensor a = random_tensor({4, 8}, 1).requires_grad_(true), b = random_tensor({4, 6}, 2);
  for (const std::int64_t tokens : {0, 3}) {
    const at::Tensor sum = add_low_rank(at::zeros({tokens, 6}), random_tensor({tokens, 8}, 3), a,
                                        b.clone().requires_grad_(true), 1);
    sum.sum().backward();
  }
  EXPECT_GT(a.grad().abs().sum().item<double>(), 0);
}

TEST(AddLowRank, ChangesTheOutputInPlace) {
  const Inputs inputs(9, 32, 4, 64);
  const at::Tensor y = inputs.y.detach();
  const at::Tensor expected = add_low_rank_reference(y, inputs.x, inputs.a, inputs.b, 2);
  add_low_rank(y, inputs.x, inputs.a, inputs.b, 2);
  EXPECT_LT(max_difference(y, expected), 1e-4);
}

}  // namespace
}  // namespace quiver
