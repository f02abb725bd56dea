#include "tensor/torch_file.h"

#include "support/test_support.h"
#include "tensor/torch_builder.h"

namespace quiver {
namespace {

using test::joined;
using test::pickle_number;
using test::pickle_storage;
using test::pickle_tensor;
using test::pickle_text;

TorchValue read_bytes(const std::string& bytes) {
  const test::ScratchDirectory scratch;
  test::write_bytes(scratch / "x", bytes);
  return read_torch_file(scratch / "x");
}

TorchValue read_body(const std::string& body, const std::map<std::string, std::string>& records = {}) {
  return read_bytes(test::torch_archive_bytes(test::whole_pickle(body), records));
}

std::string floats(std::initializer_list<float> values) {
  test::ByteBuilder bytes;
  for (const float value : values) bytes.number(value);
  return bytes.bytes();
}

TEST(TorchFileTest, WhatIsWrittenIsRead) {
  const test::ScratchDirectory scratch;
  const TorchValue::List list{{std::int64_t{-1}}, {std::int64_t{1} << 40}, {2.5}, {true}, {},
                              {std::string("ü")}};
  const at::Tensor grid = at::arange(6, at::kFloat).view({2, 3}).t();
  write_torch_file(scratch / "x", {TorchValue::Dict{
                                      {{std::string("list")}, {list}},
                                      {{std::string("grid")}, {grid}},
                                      {{std::string("empty")}, {at::zeros({0, 4}, at::kHalf)}},
                                      {{std::int64_t{3}}, {at::ones({}, at::kBool)}},
                                  }});
  const TorchValue value = read_torch_file(scratch / "x");
  const auto& items = *value.find("list")->as<TorchValue::List>();
  ASSERT_EQ(items.size(), 6u);
  EXPECT_EQ(*items[0].as<std::int64_t>(), -1);
  EXPECT_EQ(*items[1].as<std::int64_t>(), std::int64_t{1} << 40);
  EXPECT_EQ(*items[2].as<double>(), 2.5);
  EXPECT_EQ(*items[3].as<bool>(), true);
  EXPECT_EQ(describe(items[4]), "None");
  EXPECT_EQ(*items[5].as<std::string>(), "ü");
  EXPECT_TRUE(at::equal(*value.find("grid")->as<at::Tensor>(), grid));
  EXPECT_EQ(value.find("empty")->as<at::Tensor>()->scalar_type(), at::kHalf);
  EXPECT_EQ(value.find("empty")->as<at::Tensor>()->sizes(), (at::IntArrayRef{0, 4}));
  const TorchValue::Entry& last = value.as<TorchValue::Dict>()->at(3);
  EXPECT_EQ(*last.key.as<std::int64_t>(), 3);
  EXPECT_TRUE(last.value.as<at::Tensor>()->item<bool>());
  EXPECT_EQ(value.find("absent"), nullptr);
}

TEST(TorchFileTest, TypesWithoutAStorageClassAreNotWritten) {
  const test::ScratchDirectory scratch;
  const std::string message =
      test::error_message([&] { write_torch_file(scratch / "x", {at::zeros({1}, at::kFloat8_e5m2)}); });
  EXPECT_NE(message.find("tensors of type Float8_e5m2"), std::string::npos) << message;
}

TEST(TorchFileTest, ViewsOfOneStorageShareIt) {
  const std::string storage = pickle_storage("0", pickle_number(6));
  const TorchValue value =
      read_body(joined({"(",
                        pickle_tensor(storage, pickle_number(1), joined({pickle_number(2), "\x85"}),
                                      joined({pickle_number(2), "\x85"})),
                        pickle_tensor(storage, pickle_number(0), joined({pickle_number(6), "\x85"}),
                                      joined({pickle_number(1), "\x85"})),
                        "t"}),
                {{"data/0", floats({0, 1, 2, 3, 4, 5})}});
  const auto& items = *value.as<TorchValue::List>();
  const at::Tensor& pair = *items[0].as<at::Tensor>();
  EXPECT_TRUE(at::equal(pair, at::tensor({1.0F, 3.0F})));
  EXPECT_EQ(pair.data_ptr(), items[1].as<at::Tensor>()->slice(0, 1).data_ptr());
}

TEST(TorchFileTest, RepeatedObjectsAreRecalled) {
  const TorchValue value = read_body(
      "]q\x01(K\x05K\x07"
      "eh\x01\x86");
  EXPECT_EQ(value.as<TorchValue::List>()->at(1).as<TorchValue::List>()->size(), 2u);
}

TEST(TorchFileTest, Python2OrderedDict) {
  const TorchValue value = read_body(joined(
      {test::pickle_name("collections", "OrderedDict"), "](", pickle_text("a"), "K\x01\x86", "e\x85R"}));
  EXPECT_EQ(*value.find("a")->as<std::int64_t>(), 1);
}

TEST(TorchFileTest, LegacyViews) {
  const std::string view = joined({"(", pickle_text("v"), pickle_number(2), pickle_number(3), "t"});
  const std::string storage =
      joined({"(", pickle_text("storage"), test::pickle_name("torch", "DoubleStorage"), pickle_text("7"),
              pickle_text("cpu"), pickle_number(6), view, "tQ"});
  const std::string tensor = pickle_tensor(storage, pickle_number(1), joined({pickle_number(2), "\x85"}),
                                           joined({pickle_number(1), "\x85"}));
  const std::string data = test::ByteBuilder()
                               .u64(6)
                               .number(0.0)
                               .number(1.0)
                               .number(2.0)
                               .number(3.0)
                               .number(4.0)
                               .number(5.0)
                               .bytes();
  const TorchValue value =
      read_bytes(test::torch_legacy_bytes(tensor, joined({"](", pickle_text("7"), "e"}), data));
  EXPECT_TRUE(at::equal(*value.as<at::Tensor>(), at::tensor({3.0, 4.0}, at::kDouble)));
}

}  // namespace
}  // namespace quiver
