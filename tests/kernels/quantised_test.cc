#include "kernels/quantised.h"

#include <cstring>

#include "support/random_blocks.h"
#include "support/tensors.h"
#include "support/test_support.h"
#include "tensor/gguf.h"

namespace quiver {
namespace {

using quantised::InstructionSet;
using quantised::Store;
using test::max_difference;
using test::random_blocks;
using test::random_tensor;

constexpr BlockFormat kFormats[] = {BlockFormat::kQ4_0, BlockFormat::kQ4_1, BlockFormat::kQ8_0};

// x as the product sees it: rounded to 8 bits by the rule of the header, in ATen operators.
at::Tensor rounded(const at::Tensor& x) {
  const std::int64_t width = x.size(1), padding = (kBlockWidth - width % kBlockWidth) % kBlockWidth;
  const at::Tensor blocks =
      at::constant_pad_nd(x, {0, padding}).reshape({x.size(0), (width + padding) / kBlockWidth, kBlockWidth});
  const at::Tensor largest = blocks.abs().amax(2, true), scale = largest / 127;
  const at::Tensor values =
      at::where(largest > 0, (blocks * (127 / largest)).round(), at::zeros_like(blocks));
  return (values * scale).flatten(1).slice(1, 0, width);
}

at::Tensor product(const at::Tensor& x, const QuantisedMatrix& weight, InstructionSet set) {
  at::Tensor y = at::full({x.size(0), weight.out()}, 777.0);
  quantised_product(x, weight, y, Store::kOverwrite, quantised::loops(set));
  return y;
}

class QuantisedLoopsTest : public testing::TestWithParam<InstructionSet> {
 protected:
  // Against the product of the dequantised weights in float64: only the sum over blocks is rounded.
  void expect_product(const QuantisedMatrix& weight, std::int64_t rows, std::uint64_t seed) {
    const at::Tensor x = random_tensor({rows, weight.in()}, seed);
    const at::Tensor expected = at::mm(rounded(x).to(at::kDouble), weight.dequantise().to(at::kDouble).t());
    const double size = expected.numel() == 0 ? 1 : expected.abs().max().item<double>();
    EXPECT_LT(max_difference(product(x, weight, GetParam()), expected), 2e-5 * size)
        << rows << " x " << weight.in() << " to " << weight.out();
  }
};

TEST_P(QuantisedLoopsTest, MatchesATenOnEveryFormatAndShape) {
  std::uint64_t seed = 1;
  for (const BlockFormat format : kFormats) {
    for (const auto& [out, in] : {std::pair{1, 32}, {15, 64}, {16, 96}, {17, 576}, {100, 1536}}) {
      const auto weight = QuantisedMatrix::from_blocks(random_blocks(format, out, in, seed += 2));
      for (const std::int64_t rows : {0, 1, 3, 4, 8, 13, 21}) expect_product(weight, rows, ++seed);
    }
  }
}

TEST_P(QuantisedLoopsTest, MatchesATenOnWidthsThatAreNoMultipleOfABlock) {
  std::uint64_t seed = 100;
  for (const auto& [out, in] : {std::pair{1, 1}, {3, 31}, {16, 33}, {33, 40}, {20, 100}}) {
    const auto weight = QuantisedMatrix::from_float(random_tensor({out, in}, ++seed));
    for (const std::int64_t rows : {1, 5, 9}) expect_product(weight, rows, ++seed);
  }
}

TEST_P(QuantisedLoopsTest, RowsDoNotDependOnTheBatch) {
  for (const BlockFormat format : kFormats) {
    const auto weight = QuantisedMatrix::from_blocks(random_blocks(format, 40, 192, 7));
    const at::Tensor x = random_tensor({29, 192}, 8);
    const at::Tensor together = product(x, weight, GetParam());
    for (std::int64_t row = 0; row < x.size(0); ++row)
      EXPECT_TRUE(at::equal(product(x.slice(0, row, row + 1), weight, GetParam())[0], together[row])) << row;
  }
}

TEST_P(QuantisedLoopsTest, SumsOfExtremesAreExact) {
  // Every product at the end of its range and of one sign: 16-bit sums would overflow.
  for (const BlockFormat format : kFormats) {
    for (const int filling : {0x00, 0x7f, 0x80, 0x81, 0xff}) {
      QuantisedBlocks blocks{format, 16, 64, {}};
      blocks.bytes.assign(static_cast<std::size_t>(16 * blocks.row_bytes()), static_cast<char>(filling));
      const at::Half halves[2] = {1.0f, 2.0f};
      for (std::int64_t i = 0; i < 32; ++i) {
        std::memcpy(blocks.bytes.data() + i * block_bytes(format), halves,
                    format == BlockFormat::kQ4_1 ? 4 : 2);
      }
      const auto weight = QuantisedMatrix::from_blocks(blocks);
      for (const float value : {127.0f, -127.0f}) {
        const at::Tensor x = at::full({5, 64}, value);
        EXPECT_TRUE(at::equal(product(x, weight, GetParam()), at::mm(x, weight.dequantise().t())))
            << filling << " " << value;
      }
    }
  }
}

TEST_P(QuantisedLoopsTest, AddsToWhatIsThereAndWritesNothingElse) {
  const auto weight = QuantisedMatrix::from_float(random_tensor({19, 50}, 3));
  const at::Tensor x = random_tensor({6, 50}, 4);
  const at::Tensor before = random_tensor({6, 30}, 5);
  at::Tensor wide = before.clone();
  at::Tensor y = wide.narrow(1, 4, 19);
  quantised_product(x, weight, y, Store::kAdd, quantised::loops(GetParam()));
  EXPECT_LT(max_difference(y, before.narrow(1, 4, 19) + product(x, weight, GetParam())), 1e-5);
  EXPECT_TRUE(at::equal(wide.slice(1, 0, 4), before.slice(1, 0, 4)));
  EXPECT_TRUE(at::equal(wide.slice(1, 23), before.slice(1, 23)));
}

TEST_P(QuantisedLoopsTest, ZerosTinyNumbersAndNumbersThatAreNotFinite) {
  const auto weight = QuantisedMatrix::from_float(random_tensor({16, 64}, 6).abs() + 1);
  at::Tensor x = at::zeros({4, 64});
  x[1].fill_(1e-38);
  x[2][40] = std::numeric_limits<float>::infinity();
  x[3][3] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = product(x, weight, GetParam());
  EXPECT_TRUE((y.slice(0, 0, 2) == 0).all().item<bool>());
  EXPECT_FALSE(y.slice(0, 2).isfinite().any().item<bool>());
}

TEST_P(QuantisedLoopsTest, StackedFormats) {
  std::vector<QuantisedMatrix> parts;
  std::vector<at::Tensor> dequantised;
  for (const BlockFormat format : kFormats) {
    for (const std::int64_t out : {5, 16}) {
      parts.push_back(QuantisedMatrix::from_blocks(random_blocks(format, out, 96, 30 + parts.size())));
      dequantised.push_back(parts.back().dequantise());
    }
  }
  const QuantisedMatrix stacked = QuantisedMatrix::stack(parts);
  EXPECT_TRUE(at::equal(stacked.dequantise(), at::cat(dequantised)));
  expect_product(stacked, 7, 31);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, QuantisedLoopsTest,
                         testing::ValuesIn(quantised::available_instruction_sets()),
                         [](const auto& instance) {
                           std::string name = quantised::name(instance.param);
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

TEST(QuantisedLinear, AddsTheBias) {
  const auto weight = QuantisedMatrix::from_float(random_tensor({19, 50}, 3));
  const at::Tensor x = random_tensor({3, 50}, 4), bias = random_tensor({19}, 5);
  EXPECT_LT(max_difference(quantised_linear(x, weight, bias), quantised_linear(x, weight) + bias), 1e-5);
  EXPECT_EQ(quantised_linear(x.slice(0, 0, 0), weight, bias).sizes(), (at::IntArrayRef{0, 19}));
}

TEST(QuantisedMatrix, RoundsFloatsToHalfAStep) {
  const at::Tensor weight = random_tensor({21, 70}, 9);
  const at::Tensor difference = (QuantisedMatrix::from_float(weight).dequantise() - weight).abs();
  for (std::int64_t first = 0; first < 70; first += 32) {
    const at::Tensor step = weight.slice(1, first, first + 32).abs().amax(1, true) / 127;
    // Scales are rounded to half precision, upwards: steps may be 1 / 1024 longer.
    EXPECT_TRUE((difference.slice(1, first, first + 32) <= step * 0.5006).all().item<bool>());
  }
}

TEST(QuantisedMatrix, KeepsSmallLargeAndZeroBlocks) {
  const at::Tensor weight = at::cat({at::zeros({1, 32}), at::full({1, 32}, 1e-7), at::full({1, 32}, 8e6)});
  const at::Tensor kept = QuantisedMatrix::from_float(weight).dequantise();
  EXPECT_TRUE((kept[0] == 0).all().item<bool>());
  EXPECT_LT(max_difference(kept[1], weight[1]), 3e-8);  // half the smallest half-precision number
  EXPECT_LT(max_difference(kept[2], weight[2]), 8e6 / 127);
}

TEST(QuantisedMatrix, RefusesWeightsWithoutAScale) {
  EXPECT_EQ(test::error_message([] {
              QuantisedMatrix::from_float(at::full({2, 32}, 1e9));
            }),
            "a weight of 1000000000.000000 cannot be kept in 8 bits | use float32");
  const at::Tensor infinite = at::full({40, 32}, std::numeric_limits<float>::infinity());
  EXPECT_EQ(test::error_message([&] { QuantisedMatrix::from_float(infinite); }),
            "a weight of inf cannot be kept in 8 bits | use float32");
  const at::Tensor nan = at::full({40, 32}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_NE(test::error_message([&] { QuantisedMatrix::from_float(nan); }).find("nan"), std::string::npos);
}

// Random bytes hold every q; the float readers are tested against the gguf package.
TEST(QuantisedMatrix, HoldsTheValuesOfGgufBlocks) {
  for (const BlockFormat format : kFormats) {
    const QuantisedBlocks blocks = random_blocks(format, 35, 160, 11);
    EXPECT_TRUE(at::equal(QuantisedMatrix::from_blocks(blocks).dequantise(), test::dequantised(blocks)));
  }
}

// Written by the gguf package: tests/golden/make_gguf.py.
TEST(QuantisedMatrix, HoldsTheValuesOfAGgufFile) {
  const GgufFile file = GgufFile::open(test::golden_path("gguf_types.gguf"));
  int matrices = 0;
  for (const std::string& name : file.names()) {
    const std::optional<QuantisedBlocks> blocks = file.read_blocks(name);
    ASSERT_EQ(blocks.has_value(), file.type_name(name)[0] == 'Q' && file.shape(name).size() == 2) << name;
    if (!blocks || !QuantisedMatrix::holds(blocks->format)) continue;
    EXPECT_TRUE(at::equal(QuantisedMatrix::from_blocks(*blocks).dequantise(), file.read(name))) << name;
    ++matrices;
  }
  EXPECT_EQ(matrices, 3);
}

TEST(QuantisedMatrix, RowsInAnyOrder) {
  const auto weight = QuantisedMatrix::from_blocks(random_blocks(BlockFormat::kQ4_1, 37, 64, 12));
  const std::vector<std::int32_t> rows = {36, 0, 15, 16, 0};
  EXPECT_TRUE(at::equal(weight.rows(rows),
                        weight.dequantise().index_select(0, at::tensor({36, 0, 15, 16, 0}, at::kLong))));
}

TEST(QuantisedMatrix, TakesTheMemoryOfItsBlocks) {
  for (const BlockFormat format : kFormats) {
    const QuantisedBlocks blocks = random_blocks(format, 32, 576, 13);
    EXPECT_EQ(QuantisedMatrix::from_blocks(blocks).bytes(), static_cast<std::int64_t>(blocks.bytes.size()));
  }
}

}  // namespace
}  // namespace quiver
