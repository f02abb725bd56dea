#include "kernels/linear.h"

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::max_difference;
using test::random_tensor;

// Row counts on both sides of every change of method, widths with and without a rest.
TEST(FrozenLinear, AgreesWithMatmulAtAnyNumberOfRows) {
  for (const std::int64_t rows : {0, 1, 2, 3, 4, 7, 8, 9, 31, 127, 128, 129}) {
    for (const auto& [in, out] :
         {std::pair<std::int64_t, std::int64_t>{576, 66}, {1536, 21}, {37, 13}, {5, 1}}) {
      SCOPED_TRACE(testing::Message() << rows << " rows, " << in << " to " << out);
      const at::Tensor x = random_tensor({rows, in}, 1), weight = random_tensor({out, in}, 2);
      const at::Tensor bias = random_tensor({out}, 3);
      const at::Tensor expected = at::mm(x.to(at::kDouble), weight.to(at::kDouble).t());
      const double scale = 1e-6 * static_cast<double>(in);
      EXPECT_LT(max_difference(frozen_linear(x, weight).to(at::kDouble), expected), scale);
      EXPECT_LT(max_difference(frozen_linear(x, weight, bias).to(at::kDouble), expected + bias), scale);
      EXPECT_LT(max_difference(frozen_linear_backward(frozen_linear(x, weight), weight).to(at::kDouble),
                               at::mm(expected, weight.to(at::kDouble))),
                scale * static_cast<double>(out));
    }
  }
}

// A request's result must not depend on what it is batched with.
TEST(FrozenLinear, ARowDoesNotDependOnTheOthers) {
  const at::Tensor x = random_tensor({128, 100}, 1), weight = random_tensor({30, 100}, 2);
  const at::Tensor all = frozen_linear(x, weight);
  for (const std::int64_t rows : {1, 3, 8, 11, 42}) {
    EXPECT_TRUE(at::equal(frozen_linear(x.slice(0, 0, rows), weight), all.slice(0, 0, rows))) << rows;
  }
}

}  // namespace
}  // namespace quiver
