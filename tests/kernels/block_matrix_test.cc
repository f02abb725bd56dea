#include "kernels/block_matrix.h"

#include "kernels/dot_products.h"
#include "kernels/linear.h"
#include "support/random_blocks.h"
#include "support/tensors.h"
#include "support/test_support.h"
#include "tensor/gguf.h"

namespace quiver {
namespace {

using test::dequantised;
using test::random_blocks;
using test::random_tensor;

// A layer stacked from all formats whose blocks the width is made of, in blocks and as float32.
class BlockMatrixTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override {
    if (!BlockMatrix::supported()) GTEST_SKIP() << "this processor has no AVX2";
    const std::int64_t width = GetParam();
    const std::pair<BlockFormat, std::int64_t> formats_and_rows[] = {
        {BlockFormat::kQ4_0, 17}, {BlockFormat::kQ8_0, 3}, {BlockFormat::kQ5_0, 8}, {BlockFormat::kQ5_1, 9},
        {BlockFormat::kQ4_K, 7},  {BlockFormat::kQ5_K, 6}, {BlockFormat::kQ6_K, 5}, {BlockFormat::kQ4_1, 35}};
    std::vector<BlockMatrix> matrices;
    std::vector<at::Tensor> weights;
    for (auto [format, rows] : formats_and_rows) {
      if (width % block_width(format) != 0) format = BlockFormat::kQ4_1;
      const QuantisedBlocks part = random_blocks(format, rows, width, 1 + weights.size());
      matrices.emplace_back(part);
      weights.push_back(dequantised(part));
    }
    blocks_ = BlockMatrix::stack(matrices);
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

  BlockMatrix blocks_;
  at::Tensor weight_;  // (90, width)
};

TEST_P(BlockMatrixTest, GivesTheBitsOfTheFloatsAtEveryNumberOfRows) {
  ASSERT_TRUE(blocks_.defined());
  for (std::int64_t rows = 0; rows < 34; ++rows) {
    SCOPED_TRACE(rows);
    const at::Tensor x = random_tensor({rows, GetParam()}, 5), bias = random_tensor({90}, 4);
    EXPECT_TRUE(at::equal(product(x, 0, 90, true), product(x, 0, 90, false)));
    EXPECT_TRUE(at::equal(frozen_linear(x, weight_, bias, blocks_), frozen_linear(x, weight_, bias)));
  }
}

// As threads take them, across the boundaries of the stacked parts.
TEST_P(BlockMatrixTest, GivesAnyPartOfTheColumns) {
  const at::Tensor x = random_tensor({11, GetParam()}, 6), all = product(x, 0, 90, false);
  for (const auto& [begin, end] :
       {std::pair{0, 0}, {16, 18}, {18, 20}, {5, 90}, {40, 53}, {52, 90}, {89, 90}}) {
    EXPECT_TRUE(at::equal(product(x, begin, end, true), all.slice(1, begin, end))) << begin << " to " << end;
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, BlockMatrixTest, testing::Values(32, 576, 768, 4352));

// Floats that are not those of the blocks show which are read.
TEST(BlockMatrix, AreWhatAFrozenLayerReadsForFewRows) {
  if (!BlockMatrix::supported()) GTEST_SKIP() << "this processor has no AVX2";
  const QuantisedBlocks stored = random_blocks(BlockFormat::kQ4_1, 20, 64, 1);
  const BlockMatrix blocks(stored);
  const at::Tensor zeros = at::zeros({20, 64}), x = random_tensor({33, 64}, 2);
  for (const std::int64_t rows : {1, 8, 32}) {
    const at::Tensor few = x.slice(0, 0, rows);
    EXPECT_TRUE(at::equal(frozen_linear(few, zeros, {}, blocks), frozen_linear(few, dequantised(stored))));
  }
  EXPECT_TRUE(at::equal(frozen_linear(x, zeros, {}, blocks), at::zeros({33, 20})));
}

// Written by the gguf package, with scales of both signs, subnormal ones and -0: tests/golden/make_gguf.py.
TEST(BlockMatrix, TimesTheIdentityIsWhatAGgufFileHolds) {
  if (!BlockMatrix::supported()) GTEST_SKIP() << "this processor has no AVX2";
  const GgufFile file = GgufFile::open(test::golden_path("gguf_types.gguf"));
  int matrices = 0;
  for (const std::string& name : file.names()) {
    std::optional<QuantisedBlocks> blocks = file.read_blocks(name);
    if (!blocks) continue;
    const at::Tensor x = at::eye(blocks->width);
    const at::Tensor zeros = at::zeros({blocks->rows, blocks->width});
    const BlockMatrix matrix(std::move(*blocks));
    std::vector<at::Tensor> columns;
    for (const at::Tensor& rows : x.split(8)) columns.push_back(frozen_linear(rows, zeros, {}, matrix));
    EXPECT_TRUE(at::equal(at::cat(columns).t(), file.read(name))) << name;
    ++matrices;
  }
  EXPECT_EQ(matrices, 8);
}

// Expanding sub-blocks takes longer.
TEST(BlockMatrix, OfKFormatsAreReadForFewerRows) {
  if (!BlockMatrix::supported()) GTEST_SKIP() << "this processor has no AVX2";
  const BlockMatrix k(random_blocks(BlockFormat::kQ4_K, 20, 256, 1));
  const BlockMatrix parts[] = {BlockMatrix(random_blocks(BlockFormat::kQ8_0, 2, 256, 1)), k};
  EXPECT_EQ(parts[0].few_rows(), 32);
  EXPECT_EQ(BlockMatrix::stack(parts).few_rows(), 8);
  const at::Tensor zeros = at::zeros({20, 256}), x = random_tensor({9, 256}, 2);
  EXPECT_FALSE(at::equal(frozen_linear(x.slice(0, 0, 8), zeros, {}, k), at::zeros({8, 20})));
  EXPECT_TRUE(at::equal(frozen_linear(x, zeros, {}, k), at::zeros({9, 20})));
}

TEST(BlockMatrix, AStackWithAPartThatHasNoBlocksHasNone) {
  if (!BlockMatrix::supported()) GTEST_SKIP() << "this processor has no AVX2";
  const BlockMatrix matrices[] = {BlockMatrix(random_blocks(BlockFormat::kQ8_0, 2, 32, 1)), BlockMatrix()};
  EXPECT_FALSE(BlockMatrix::stack(matrices).defined());
}

}  // namespace
}  // namespace quiver
