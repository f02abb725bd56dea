#include "kernels/block_matrix.h"

#include "kernels/linear.h"
#include "support/random_blocks.h"
#include "support/tensors.h"
#include "support/test_support.h"
#include "tensor/dequantise.h"

namespace quiver {
namespace {

using test::random_blocks;
using test::random_tensor;

at::Tensor expanded(const QuantisedBlocks& blocks) {
  at::Tensor result = at::empty({blocks.rows, blocks.width});
  const auto expand = blocks.format == BlockFormat::kQ4_0   ? dequantise_q4_0
                      : blocks.format == BlockFormat::kQ4_1 ? dequantise_q4_1
                                                            : dequantise_q8_0;
  expand(blocks.bytes.data(), result.numel() / kBlockWidth, result.mutable_data_ptr<float>());
  return result;
}

// The same bits as from the float32 weights, at every number of rows, for layers stacked from several
// formats.
TEST(BlockMatrix, GivesTheBitsOfTheExpandedWeights) {
  for (const std::int64_t width : {32, 576, 9216}) {
    const QuantisedBlocks parts[] = {random_blocks(BlockFormat::kQ4_0, 17, width, 1),
                                     random_blocks(BlockFormat::kQ8_0, 3, width, 2),
                                     random_blocks(BlockFormat::kQ4_1, 70, width, 3)};
    std::vector<BlockMatrix> matrices;
    std::vector<at::Tensor> weights;
    for (const QuantisedBlocks& part : parts) {
      matrices.emplace_back(part);
      weights.push_back(expanded(part));
    }
    const BlockMatrix blocks = BlockMatrix::stack(matrices);
    ASSERT_TRUE(blocks.defined());
    const at::Tensor weight = at::cat(weights), bias = random_tensor({weight.size(0)}, 4);
    for (const std::int64_t rows : {0, 1, 2, 4, 5, 8, 33, 128, 129}) {
      SCOPED_TRACE(testing::Message() << rows << " rows, " << width << " wide");
      const at::Tensor x = random_tensor({rows, width}, 5);
      EXPECT_TRUE(at::equal(frozen_linear(x, weight, bias, blocks), frozen_linear(x, weight, bias)));
    }
    // Any part of the columns, as a thread takes it.
    const at::Tensor x = random_tensor({1, width}, 6);
    const float* x_row = x.const_data_ptr<float>();
    const at::Tensor all = frozen_linear(x, weight);
    for (const auto& [begin, end] : {std::pair{0, 0}, {16, 18}, {18, 20}, {5, 90}, {89, 90}}) {
      at::Tensor y = at::full({end - begin}, 777.0);
      float* y_row = y.mutable_data_ptr<float>();
      blocks.dot_products(&x_row, 1, begin, end, &y_row);
      EXPECT_TRUE(at::equal(y, all[0].slice(0, begin, end))) << begin << " to " << end;
    }
  }
}

TEST(BlockMatrix, AStackWithAPartThatHasNoBlocksHasNone) {
  const BlockMatrix matrices[] = {BlockMatrix(random_blocks(BlockFormat::kQ8_0, 2, 32, 1)), BlockMatrix()};
  EXPECT_FALSE(BlockMatrix::stack(matrices).defined());
}

}  // namespace
}  // namespace quiver
