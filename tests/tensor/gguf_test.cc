#include "tensor/gguf.h"

#include "support/test_support.h"
#include "tensor/gguf_builder.h"

namespace quiver {
namespace {

using test::error_message;
using test::gguf_bytes;
using test::gguf_tensor;
using test::gguf_value;

class GgufTest : public testing::Test {
 protected:
  GgufFile open(const std::vector<std::string>& values, const std::vector<std::string>& tensors = {},
                std::size_t data = 0) {
    test::write_bytes(path(), gguf_bytes(values, tensors, data));
    return GgufFile::open(path());
  }
  std::filesystem::path path() const { return scratch_ / "x.gguf"; }
  // Of a CorruptFile or NotFound error: the message without the path.
  std::string problem(const std::function<void()>& action) const {
    return error_message(action).substr(path().string().size() + 2);
  }

  test::ScratchDirectory scratch_;
};

TEST_F(GgufTest, IntegersOfEveryType) {
  const GgufFile file = open({
      gguf_value<std::uint8_t>("u8", 0, 200),
      gguf_value<std::int8_t>("i8", 1, -100),
      gguf_value<std::uint16_t>("u16", 2, 60000),
      gguf_value<std::int16_t>("i16", 3, -30000),
      gguf_value<std::uint32_t>("u32", 4, 4'000'000'000),
      gguf_value<std::int32_t>("i32", 5, -2'000'000'000),
      gguf_value<std::uint8_t>("bool", 7, 1),
      gguf_value<std::uint64_t>("u64", 10, 1ull << 62),
      gguf_value<std::int64_t>("i64", 11, -(1ll << 62)),
      gguf_value<std::uint64_t>("huge", 10, 1ull << 63),
  });
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -100);
  EXPECT_EQ(file.integer("u16"), 60000);
  EXPECT_EQ(file.integer("i16"), -30000);
  EXPECT_EQ(file.integer("u32"), 4'000'000'000);
  EXPECT_EQ(file.integer("i32"), -2'000'000'000);
  EXPECT_EQ(file.integer("bool"), 1);
  EXPECT_EQ(file.integer("u64"), 1ll << 62);
  EXPECT_EQ(file.integer("i64"), -(1ll << 62));
  EXPECT_EQ(file.number("i8"), -100.0);
  EXPECT_EQ(problem([&] { file.integer("huge"); }),
            "the metadata value \"huge\" is uint64 where an integer of 64 bits is needed");
}

TEST_F(GgufTest, NumbersTextsAndFallbacks) {
  const GgufFile file = open({gguf_value("f32", 6, 0.5F), gguf_value("f64", 12, 0.1),
                              test::gguf_text("text", "grüße"), test::gguf_text("empty", "")});
  EXPECT_TRUE(file.has("f32"));
  EXPECT_FALSE(file.has("f16"));
  EXPECT_EQ(file.number("f32"), 0.5);
  EXPECT_EQ(file.number("f64"), 0.1);
  EXPECT_EQ(file.integer_or("absent", 7), 7);
  EXPECT_EQ(file.text("text"), "grüße");
  EXPECT_EQ(file.text("empty"), "");
  EXPECT_EQ(file.text_or("absent", "fallback"), "fallback");
  EXPECT_EQ(problem([&] { file.text("absent"); }), "the metadata value \"absent\" is missing");
  EXPECT_EQ(problem([&] { file.text_or("f32", ""); }),
            "the metadata value \"f32\" is float32 where a string is needed");
  EXPECT_EQ(problem([&] { file.integer("f32"); }),
            "the metadata value \"f32\" is float32 where an integer of 64 bits is needed");
  EXPECT_EQ(problem([&] { file.number("text"); }),
            "the metadata value \"text\" is string where a number is needed");
}

TEST_F(GgufTest, Arrays) {
  using test::ByteBuilder;
  const auto array = [](std::string_view key, std::uint32_t type, std::uint64_t count) {
    return ByteBuilder().text(key).u32(9).u32(type).u64(count);
  };
  const GgufFile file = open({
      array("texts", 8, 3).text("a").text("").text(std::string_view("b\0c", 3)).bytes(),
      array("shorts", 3, 2).number<std::int16_t>(-1).number<std::int16_t>(2).bytes(),
      array("wide", 4, 2).u32(1).u32(3'000'000'000).bytes(),
      array("floats", 6, 1).number(1.0F).bytes(),
      array("none", 8, 0).bytes(),
  });
  EXPECT_EQ(file.texts("texts"), (std::vector<std::string>{"a", "", std::string("b\0c", 3)}));
  EXPECT_EQ(file.integers("shorts"), (std::vector<std::int32_t>{-1, 2}));
  EXPECT_EQ(file.numbers("floats"), (std::vector<double>{1.0}));
  EXPECT_EQ(file.numbers("wide"), (std::vector<double>{1.0, 3e9}));
  EXPECT_TRUE(file.texts("none").empty());
  EXPECT_EQ(problem([&] { file.integers("wide"); }),
            "the metadata value \"wide\" is array of uint32 where an array of 32-bit integers is needed");
  EXPECT_EQ(problem([&] { file.numbers("texts"); }),
            "the metadata value \"texts\" is array of string where an array of numbers is needed");
  EXPECT_EQ(problem([&] { file.texts("floats"); }),
            "the metadata value \"floats\" is array of float32 where an array of strings is needed");
  EXPECT_EQ(problem([&] { file.text("texts"); }),
            "the metadata value \"texts\" is array of string where a string is needed");
  EXPECT_EQ(problem([&] { file.integer("shorts"); }),
            "the metadata value \"shorts\" is array of int16 where an integer of 64 bits is needed");
}

TEST_F(GgufTest, ShapesAreRowMajor) {
  const GgufFile file =
      open({}, {gguf_tensor({"b", {4, 2}, 0, 0}), gguf_tensor({"a", {32}, 8, 32})}, 32 + 34);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(file.contains("a"));
  EXPECT_FALSE(file.contains("c"));
  EXPECT_EQ(file.shape("b"), (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(file.type_name("a"), "Q8_0");
  EXPECT_TRUE(at::equal(file.read("b"), at::zeros({2, 4})));
  EXPECT_EQ(problem([&] { file.read("c"); }).substr(0, 14), "no tensor \"c\" ");
}

TEST_F(GgufTest, VersionTwo) {
  std::string bytes = gguf_bytes({gguf_value("f32", 6, 0.5F)}, {}, 0);
  bytes[4] = 2;
  test::write_bytes(path(), bytes);
  EXPECT_EQ(GgufFile::open(path()).number("f32"), 0.5);
}

TEST_F(GgufTest, AlignmentFromTheFile) {
  const GgufFile file = open({gguf_value<std::uint32_t>("general.alignment", 4, 8)},
                             {gguf_tensor({"a", {1}, 0, 0}), gguf_tensor({"b", {1}, 0, 8})}, 12);
  EXPECT_EQ(file.read("b").item<float>(), 0.0F);
}

TEST_F(GgufTest, AnUnreadableTypeIsAnErrorOnlyWhenRead) {
  const GgufFile file = open({},
                             {gguf_tensor({"odd", {256}, 10, 0}), gguf_tensor({"new", {3, 5}, 99, 96}),
                              gguf_tensor({"fine", {2}, 0, 128})},
                             136);
  EXPECT_EQ(file.type_name("odd"), "Q2_K");
  EXPECT_EQ(file.type_name("new"), "number 99");
  EXPECT_TRUE(at::equal(file.read("fine"), at::zeros({2})));
  const std::string hint =
      ", which cannot be read | use a file in F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or "
      "Q6_K";
  EXPECT_EQ(problem([&] { file.read("odd"); }), "tensor \"odd\" has the element type Q2_K" + hint);
  EXPECT_EQ(problem([&] { file.read("new"); }), "tensor \"new\" has the element type number 99" + hint);
}

}  // namespace
}  // namespace quiver
