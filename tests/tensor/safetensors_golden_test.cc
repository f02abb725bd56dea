// Golden file: tests/golden/make_safetensors.py.
#include "support/test_support.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

TEST(SafetensorsGoldenTest, ReadsEveryElementType) {
  const SafetensorsFile file = SafetensorsFile::open(test::golden_path("dtypes.safetensors"));
  const std::map<std::string, at::ScalarType> types = {
      {"8tniu", at::kByte},         {"8tni", at::kChar},        {"61tni", at::kShort},
      {"61tniu", at::kUInt16},      {"61taolf", at::kHalf},     {"23tni", at::kInt},
      {"23tniu", at::kUInt32},      {"23taolf", at::kFloat},    {"46taolf", at::kDouble},
      {"46tni", at::kLong},         {"46tniu", at::kUInt64},    {"bf16", at::kBFloat16},
      {"e4m3", at::kFloat8_e4m3fn}, {"e5m2", at::kFloat8_e5m2},
  };
  for (const auto& [name, type] : types) {
    const at::Tensor tensor = file.read(name);
    EXPECT_EQ(tensor.scalar_type(), type) << name;
    EXPECT_TRUE(at::equal(tensor.to(at::kDouble), at::arange(6, at::kDouble).view({2, 3}))) << name;
  }
  EXPECT_TRUE(at::equal(file.read("bool"), at::arange(6).remainder(2).view({2, 3}).to(at::kBool)));
  EXPECT_EQ(file.shape("empty"), (std::vector<std::int64_t>{0, 4}));
  EXPECT_TRUE(file.shape("scalar \"ü\"\n").empty());
  EXPECT_EQ(file.read("scalar \"ü\"\n").item<float>(), 7.0F);
}

TEST(SafetensorsGoldenTest, WritesTheBytesOfTheSafetensorsLibrary) {
  const SafetensorsFile file = SafetensorsFile::open(test::golden_path("dtypes.safetensors"));
  std::map<std::string, at::Tensor> tensors;
  for (const std::string& name : file.names()) tensors.emplace(name, file.read(name));
  const test::ScratchDirectory scratch;
  write_safetensors(scratch / "x", tensors, file.metadata());
  EXPECT_TRUE(read_file(scratch / "x", 1 << 20) ==
              read_file(test::golden_path("dtypes.safetensors"), 1 << 20));
}

}  // namespace
}  // namespace quiver
