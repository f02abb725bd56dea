#include "kernels/frozen_matrix.h"

#include <ATen/core/grad_mode.h>

#include "kernels/block_products.h"
#include "kernels/dot_products.h"
#include "kernels/linear.h"
#include "support/random_blocks.h"
#include "support/tensors.h"
#include "support/test_support.h"
#include "tensor/gguf.h"

namespace quiver {
namespace {

using test::dequantized;
using test::max_difference;
using test::random_blocks;
using test::random_tensor;

constexpr std::pair<BlockFormat, std::int64_t> kFormatsAndRows[] = {
    {BlockFormat::kQ4_0, 17}, {BlockFormat::kQ8_0, 3}, {BlockFormat::kF16, 4},  {BlockFormat::kQ5_0, 8},
    {BlockFormat::kQ5_1, 9},  {BlockFormat::kQ4_K, 7}, {BlockFormat::kBF16, 5}, {BlockFormat::kQ5_K, 6},
    {BlockFormat::kQ6_K, 5},  {BlockFormat::kQ4_1, 35}};
constexpr std::int64_t kRows = 99;

// Of expanded weights: at::equal takes -0 for 0.
bool same_bits(const at::Tensor& left, const at::Tensor& right) {
  return at::equal(left.view(at::kInt), right.contiguous().view(at::kInt));
}

// A layer stacked from all formats whose blocks the width is made of, in blocks and as float32.
class FrozenMatrixTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override {
    static_assert(std::size(kFormatsAndRows) == kBlockFormats);
    const std::int64_t width = GetParam();
    std::vector<FrozenMatrix> matrices;
    std::vector<at::Tensor> weights;
    for (auto [format, rows] : kFormatsAndRows) {
      if (width % block_width(format) != 0) format = BlockFormat::kQ4_1;
      const QuantizedBlocks part = random_blocks(format, rows, width, 1 + weights.size());
      matrices.emplace_back(part);
      weights.push_back(dequantized(part));
    }
    blocks_ = FrozenMatrix::stack(matrices);
    weight_ = at::cat(weights);
  }

  // Columns [begin, end) of x W^T, from the blocks or from the float32 weights.
  at::Tensor product(const at::Tensor& x, std::int64_t begin, std::int64_t end, bool from_blocks) const {
    at::Tensor y = at::full({x.size(0), end - begin}, 777.0);
    std::vector<const float*> x_rows;
    std::vector<float*> y_rows;
    for (std::int64_t row = 0; row < x.size(0); ++row) {
      x_rows.push_back(x.const_data_ptr<float>() + row * x.size(1));
      y_rows.push_back(y.mutable_data_ptr<float>() + row * y.size(1));
    }
    const std::int64_t rows = x.size(0), width = x.size(1);
    if (from_blocks)
      blocks_.dot_products(x_rows.data(), rows, begin, end, y_rows.data());
    else
      row_loops::dot_products(x_rows.data(), rows, weight_.const_data_ptr<float>() + begin * width, width,
                              end - begin, width, y_rows.data());
    return y;
  }

  FrozenMatrix blocks_;
  at::Tensor weight_;  // (kRows, width)
};

TEST_P(FrozenMatrixTest, ProductsHaveTheBitsOfTheFloatsAtEveryNumberOfRows) {
  EXPECT_FALSE(blocks_.is_dense());
  const at::Tensor bias = random_tensor({kRows}, 4);
  for (std::int64_t rows = 0; rows < 34; ++rows) {
    SCOPED_TRACE(rows);
    const at::Tensor x = random_tensor({rows, GetParam()}, 5);
    EXPECT_TRUE(at::equal(product(x, 0, kRows, true), product(x, 0, kRows, false)));
    EXPECT_TRUE(at::equal(frozen_linear(x, blocks_, bias), frozen_linear(x, weight_, bias)));
  }
  for (const std::int64_t rows : {127, 128, 129, 300}) {
    const at::Tensor x = random_tensor({rows, GetParam()}, 6);
    EXPECT_TRUE(at::equal(frozen_linear(x, blocks_, bias), frozen_linear(x, weight_, bias))) << rows;
  }
}

TEST_P(FrozenMatrixTest, GradientsHaveTheBitsOfTheFloats) {
  const at::AutoGradMode gradients(true);
  for (const std::int64_t rows : {1, 9, 200}) {
    const at::Tensor dy = random_tensor({rows, kRows}, 8), bias = random_tensor({kRows}, 4);
    at::Tensor dx[2];
    for (const bool from_blocks : {false, true}) {
      const at::Tensor x = random_tensor({rows, GetParam()}, 7).requires_grad_(true);
      frozen_linear(x, from_blocks ? blocks_ : FrozenMatrix(weight_), bias).backward(dy);
      dx[from_blocks ? 1 : 0] = x.grad();
    }
    EXPECT_TRUE(at::equal(dx[0], dx[1])) << rows;
    EXPECT_LT(max_difference(dx[0], at::mm(dy.to(at::kDouble), weight_.to(at::kDouble))), 1e-3);
  }
}

// As threads take them, across the boundaries of the stacked parts.
TEST_P(FrozenMatrixTest, GivesAnyPartOfTheColumns) {
  const at::Tensor x = random_tensor({11, GetParam()}, 6), all = product(x, 0, kRows, false);
  for (const auto& [begin, end] :
       {std::pair{0, 0}, {16, 18}, {18, 20}, {5, 99}, {40, 53}, {52, 90}, {98, 99}}) {
    EXPECT_TRUE(at::equal(product(x, begin, end, true), all.slice(1, begin, end))) << begin << " to " << end;
    at::Tensor rows = at::empty({end - begin, GetParam()});
    blocks_.expand(begin, end, rows.mutable_data_ptr<float>());
    EXPECT_TRUE(same_bits(rows, weight_.slice(0, begin, end))) << begin << " to " << end;
  }
}

TEST_P(FrozenMatrixTest, GivesItsValues) {
  EXPECT_TRUE(same_bits(blocks_.to_dense(), weight_));
  const std::vector<std::int32_t> ids = {98, 0, 15, 16, 0};
  EXPECT_TRUE(
      at::equal(blocks_.rows(ids), weight_.index_select(0, at::tensor({98, 0, 15, 16, 0}, at::kLong))));
  EXPECT_TRUE(at::equal(FrozenMatrix(weight_).rows(ids), blocks_.rows(ids)));
  for (const std::int64_t stride : {1, 31, 5000})
    EXPECT_TRUE(at::equal(blocks_.every(stride), weight_.flatten().slice(0, 0, weight_.numel(), stride)));
}

INSTANTIATE_TEST_SUITE_P(Widths, FrozenMatrixTest, testing::Values(32, 576, 768, 4352));

// More than are expanded at one time.
TEST(FrozenMatrix, OfManyRowsIsExpandedPieceByPiece) {
  const QuantizedBlocks stored = random_blocks(BlockFormat::kQ4_1, 5000, 2048, 1);
  const at::Tensor weight = dequantized(stored), x = random_tensor({130, 2048}, 2),
                   bias = random_tensor({5000}, 3);
  const FrozenMatrix blocks(stored);
  EXPECT_LT(max_difference(frozen_linear(x, blocks, bias), frozen_linear(x, weight, bias)), 1e-3);
  const at::Tensor dy = random_tensor({130, 5000}, 4);
  EXPECT_LT(max_difference(frozen_linear_backward(dy, blocks), frozen_linear_backward(dy, weight)), 1e-3);
}

// Written by the gguf package, with scales of both signs, subnormal ones and -0: tests/golden/make_gguf.py.
TEST(FrozenMatrix, HoldsWhatAGgufFileHolds) {
  const GgufFile file = GgufFile::open(test::golden_path("gguf_types.gguf"));
  std::set<std::string> types;
  for (const std::string& name : file.names()) {
    std::optional<QuantizedBlocks> blocks = file.read_blocks(name);
    if (!blocks) continue;
    const at::Tensor x = at::eye(blocks->width);
    const FrozenMatrix matrix(std::move(*blocks));
    EXPECT_TRUE(same_bits(matrix.to_dense(), file.read(name))) << name;
    std::vector<at::Tensor> columns;
    for (const at::Tensor& rows : x.split(8)) columns.push_back(frozen_linear(rows, matrix));
    EXPECT_TRUE(at::equal(at::cat(columns).t(), file.read(name))) << name;
    types.insert(file.type_name(name));
  }
  EXPECT_EQ(types, (std::set<std::string>{"BF16", "F16", "Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q5_1", "Q5_K",
                                          "Q6_K", "Q8_0"}));
}

TEST(FrozenMatrix, AStackWithATensorIsATensor) {
  const QuantizedBlocks stored = random_blocks(BlockFormat::kQ8_0, 2, 32, 1);
  const at::Tensor other = random_tensor({3, 32}, 2);
  const FrozenMatrix matrices[] = {FrozenMatrix(stored), other};
  const FrozenMatrix stack = FrozenMatrix::stack(matrices);
  EXPECT_TRUE(at::equal(stack.dense(), at::cat({dequantized(stored), other})));
}

TEST(FrozenLinear, TakesBlocksWithAnyStridesButNoOtherType) {
  const FrozenMatrix blocks(random_blocks(BlockFormat::kQ4_1, 5, 64, 1));
  const at::Tensor x = random_tensor({64, 3}, 2).t();
  EXPECT_TRUE(at::equal(frozen_linear(x, blocks), frozen_linear(x.contiguous(), blocks)));
  EXPECT_EQ(test::error_message([&] { frozen_linear(x.to(at::kBFloat16), blocks); }),
            "the model computes in float32 on the CPU, not in BFloat16 on cpu");
}

}  // namespace
}  // namespace quiver
