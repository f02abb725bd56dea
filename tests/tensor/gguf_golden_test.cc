// Golden files: tests/golden/make_gguf.py.
#include "support/test_support.h"
#include "tensor/gguf.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

class GgufGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  GgufFile file_ = GgufFile::open(test::golden_path("gguf_types.gguf"));
  SafetensorsFile expected_ = SafetensorsFile::open(test::golden_path("gguf_types.safetensors"));
};

TEST_P(GgufGoldenTest, DequantizesAsTheGgufPackage) {
  const std::string type = GetParam();
  const at::Tensor values = file_.read(type);
  const at::Tensor expected = expected_.read(type);
  EXPECT_EQ(file_.type_name(type), type);
  EXPECT_EQ(values.scalar_type(), at::kFloat);
  ASSERT_EQ(values.sizes(), expected.sizes());
  if (type.ends_with("_K")) {
    // The order of the products is not part of the format: allow the last bits, relative to the row's size.
    const at::Tensor limit = expected.abs().amax() * 1e-6;
    EXPECT_LE((values - expected).abs().max().item<float>(), limit.item<float>());
  } else {
    EXPECT_TRUE(at::equal(values, expected));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GgufGoldenTest,
                         testing::Values("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K",
                                         "Q5_K", "Q6_K"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(GgufGoldenMetadataTest, ReadsWhatTheGgufPackageWrote) {
  const GgufFile file = GgufFile::open(test::golden_path("gguf_types.gguf"));
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.integer("test.uint32"), 4'000'000'000);
  EXPECT_EQ(file.integer("test.int8"), -5);
  EXPECT_EQ(file.number("test.float32"), 0.5);
  EXPECT_EQ(file.integer("test.bool"), 1);
  EXPECT_EQ(file.text("test.string"), "grüße");
  EXPECT_EQ(file.texts("test.strings"), (std::vector<std::string>{"a", "", "βγ"}));
  EXPECT_EQ(file.integers("test.integers"), (std::vector<std::int32_t>{1, -2, 3}));
}

}  // namespace
}  // namespace quiver
