#include "kernels/gemm.h"

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::max_difference;
using test::random_tensor;

struct Size {
  std::int64_t rows, columns, inner;
};

class GemmTest : public testing::TestWithParam<Size> {};

// Against ATen in float64, on parts of wider matrices, in every layout.
TEST_P(GemmTest, AgreesWithMatmul) {
  const auto [rows, columns, inner] = GetParam();
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const bool add : {false, true}) {
        SCOPED_TRACE(testing::Message() << transpose_a << transpose_b << add);
        const at::Tensor a = random_tensor({transpose_a ? inner : rows, (transpose_a ? rows : inner) + 3}, 1);
        const at::Tensor b =
            random_tensor({transpose_b ? columns : inner, (transpose_b ? inner : columns) + 1}, 2);
        at::Tensor c = random_tensor({rows, columns + 2}, 3);
        const at::Tensor left = a.narrow(1, 0, transpose_a ? rows : inner).to(at::kDouble);
        const at::Tensor right = b.narrow(1, 0, transpose_b ? inner : columns).to(at::kDouble);
        at::Tensor expected = c.to(at::kDouble);
        at::Tensor part = expected.narrow(1, 0, columns);
        const at::Tensor product =
            at::mm(transpose_a ? left.t() : left, transpose_b ? right.t() : right) + (add ? part : part * 0);
        part.copy_(product);
        gemm(transpose_a ? Transpose::kYes : Transpose::kNo, transpose_b ? Transpose::kYes : Transpose::kNo,
             rows, columns, inner, a.const_data_ptr<float>(), a.size(1), b.const_data_ptr<float>(), b.size(1),
             c.mutable_data_ptr<float>(), c.size(1), add ? Update::kAdd : Update::kSet);
        EXPECT_LT(max_difference(c.to(at::kDouble), expected), 1e-6 * static_cast<double>(inner + 10));
      }
    }
  }
}

// Elements beyond the diagonal of C may be anything, so only the others are compared.
TEST_P(GemmTest, LowerTriangleOfTheResult) {
  const auto [rows, columns, inner] = GetParam();
  for (const std::int64_t past : {0, 1, 9, 40}) {
    for (const bool transpose_b : {false, true}) {
      SCOPED_TRACE(testing::Message() << past << " " << transpose_b);
      const at::Tensor a = random_tensor({rows, inner + 3}, 1);
      const at::Tensor b =
          random_tensor({transpose_b ? columns : inner, (transpose_b ? inner : columns) + 1}, 2);
      at::Tensor c = at::full({rows, columns + 2}, 777.0);
      gemm(Transpose::kNo, transpose_b ? Transpose::kYes : Transpose::kNo, rows, columns, inner,
           a.const_data_ptr<float>(), a.size(1), b.const_data_ptr<float>(), b.size(1),
           c.mutable_data_ptr<float>(), c.size(1), Update::kSet, {LowerTriangle::Of::kC, past});
      const at::Tensor right = b.narrow(1, 0, transpose_b ? inner : columns).to(at::kDouble);
      const at::Tensor expected =
          at::mm(a.narrow(1, 0, inner).to(at::kDouble), transpose_b ? right.t() : right).tril(past);
      EXPECT_LT(max_difference(c.narrow(1, 0, columns).tril(past).to(at::kDouble), expected),
                1e-6 * static_cast<double>(inner + 10));
      EXPECT_TRUE((c.narrow(1, columns, 2) == 777.0).all().item<bool>());
    }
  }
}

TEST_P(GemmTest, LowerTriangleOfTheLeftMatrix) {
  const auto [rows, columns, inner] = GetParam();
  for (const std::int64_t past : {0, 1, 9, 40}) {
    for (const bool transpose_a : {false, true}) {
      for (const bool add : {false, true}) {
        SCOPED_TRACE(testing::Message() << past << " " << transpose_a << add);
        const at::Tensor a =
            random_tensor({transpose_a ? inner : rows, (transpose_a ? rows : inner) + 3}, 1).tril(past);
        const at::Tensor b = random_tensor({inner, columns + 1}, 2);
        at::Tensor c = random_tensor({rows, columns}, 3);
        const at::Tensor left = a.narrow(1, 0, transpose_a ? rows : inner).to(at::kDouble);
        const at::Tensor product =
            at::mm(transpose_a ? left.t() : left, b.narrow(1, 0, columns).to(at::kDouble));
        const at::Tensor expected = add ? c + product : product;
        gemm(transpose_a ? Transpose::kYes : Transpose::kNo, Transpose::kNo, rows, columns, inner,
             a.const_data_ptr<float>(), a.size(1), b.const_data_ptr<float>(), b.size(1),
             c.mutable_data_ptr<float>(), columns, add ? Update::kAdd : Update::kSet,
             {LowerTriangle::Of::kA, past});
        EXPECT_LT(max_difference(c.to(at::kDouble), expected), 1e-6 * static_cast<double>(inner + 10));
      }
    }
  }
}

// What is not read cannot spoil the result: rows of B that no row of A reaches.
TEST(Gemm, LeavesOutWhatTheTriangleLeavesOut) {
  const at::Tensor a = random_tensor({8, 64}, 1).tril();
  at::Tensor b = random_tensor({64, 32}, 2), c = at::zeros({8, 32});
  const at::Tensor expected = at::mm(a, b);
  b.slice(0, 8).fill_(NAN);
  gemm(Transpose::kNo, Transpose::kNo, 8, 32, 64, a.const_data_ptr<float>(), 64, b.const_data_ptr<float>(),
       32, c.mutable_data_ptr<float>(), 32, Update::kSet, {LowerTriangle::Of::kA, 0});
  EXPECT_LT(max_difference(c, expected), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Sizes, GemmTest,
                         testing::Values(Size{1, 1, 1}, Size{8, 32, 64}, Size{7, 33, 5}, Size{64, 300, 64},
                                         Size{13, 15, 70}, Size{3, 64, 0}, Size{0, 5, 4}, Size{5, 0, 4},
                                         Size{65, 17, 31}));

}  // namespace
}  // namespace quiver
