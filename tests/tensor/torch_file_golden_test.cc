// Golden files: tests/golden/make_torch_files.py.
#include <cmath>

#include "core/json.h"
#include "support/test_support.h"
#include "tensor/torch_file.h"

namespace quiver {
namespace {

std::string type_text(at::ScalarType type) {
  const std::map<at::ScalarType, std::string> names = {
      {at::kBool, "bool"},
      {at::kByte, "uint8"},
      {at::kChar, "int8"},
      {at::kShort, "int16"},
      {at::kInt, "int32"},
      {at::kLong, "int64"},
      {at::kUInt16, "uint16"},
      {at::kUInt32, "uint32"},
      {at::kUInt64, "uint64"},
      {at::kHalf, "float16"},
      {at::kBFloat16, "bfloat16"},
      {at::kFloat, "float32"},
      {at::kDouble, "float64"},
      {at::kFloat8_e4m3fn, "float8_e4m3fn"},
      {at::kFloat8_e5m2, "float8_e5m2"},
  };
  return names.at(type);
}

void expect_tensor(const TorchValue& value, const Json& expected, const std::string& name) {
  SCOPED_TRACE(name);
  const auto* tensor = value.as<at::Tensor>();
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(type_text(tensor->scalar_type()), expected["type"]);
  EXPECT_EQ(Json(tensor->sizes().vec()), expected["shape"]);
  const auto numbers = expected["values"].get<std::vector<double>>();
  const at::Tensor flat = tensor->to(at::kDouble).contiguous().flatten();
  ASSERT_EQ(static_cast<std::size_t>(flat.numel()), numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(flat[static_cast<std::int64_t>(i)].item<double>(), numbers[i]) << i;
  }
}

// A value as the script describes it.
Json to_json(const TorchValue& value) {
  if (const auto* truth = value.as<bool>()) return *truth;
  if (const auto* whole = value.as<std::int64_t>()) return *whole;
  if (const auto* number = value.as<double>()) return *number;
  if (const auto* text = value.as<std::string>()) return *text;
  if (const auto* items = value.as<TorchValue::List>()) {
    Json list = Json::array();
    for (const TorchValue& item : *items) list.push_back(to_json(item));
    return list;
  }
  if (const auto* entries = value.as<TorchValue::Dict>()) {
    Json object = Json::object();
    for (const auto& [key, item] : *entries) object[*key.as<std::string>()] = to_json(item);
    return object;
  }
  return nullptr;
}

void expect_plain(const TorchValue& value, const Json& expected) {
  for (const auto& [name, content] : expected.items()) {
    SCOPED_TRACE(name);
    const TorchValue* found = value.find(name);
    ASSERT_NE(found, nullptr);
    if (name == "bytes" || name == "no_bytes") {
      std::string bytes;
      for (const Json& byte : content) bytes += static_cast<char>(byte.get<int>());
      EXPECT_EQ(*found->as<std::string>(), bytes);
    } else {
      EXPECT_EQ(to_json(*found), content);
    }
  }
}

TEST(TorchFileGoldenTest, TheArchiveHoldsWhatTorchSaved) {
  const Json expected = read_json_file(test::golden_path("torch_files.json"));
  const TorchValue value = read_torch_file(test::golden_path("torch_archive.pt"));
  for (const char* group : {"tensors", "arrays", "state"}) {
    ASSERT_EQ(value.find(group)->as<TorchValue::Dict>()->size(), expected[group].size());
    for (const auto& [name, content] : expected[group].items()) {
      const TorchValue* found = value.find(group)->find(name);
      ASSERT_NE(found, nullptr) << name;
      expect_tensor(*found, content, name);
    }
  }
  expect_plain(*value.find("plain"), expected["plain"]);
  EXPECT_EQ(value.find("plain")->as<TorchValue::Dict>()->size(), expected["plain"].size());
}

TEST(TorchFileGoldenTest, TheOlderFormatHoldsTheSame) {
  const Json expected = read_json_file(test::golden_path("torch_files.json"));
  const TorchValue value = read_torch_file(test::golden_path("torch_legacy.pt"));
  for (const char* name : {"transposed", "column", "later_rows"}) {
    const TorchValue* found = value.find("tensors")->find(name);
    ASSERT_NE(found, nullptr) << name;
    expect_tensor(*found, expected["tensors"][name], name);
  }
  expect_plain(*value.find("plain"), expected["plain"]);
}

}  // namespace
}  // namespace quiver
