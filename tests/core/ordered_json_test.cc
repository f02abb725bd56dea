#include "core/ordered_json.h"

#include <gtest/gtest.h>

#include "support/test_support.h"

namespace quiver {
namespace {

TEST(OrderedJson, KeepsTheOrderOfNamesAtEveryDepth) {
  const std::string text =
      R"({"z":{"b":[{"y":1,"x":[]},{}],"a":null},"a":[true,false,-1,18446744073709551615,0.5,"é\n"],"m":{}})";
  EXPECT_EQ(dump_ordered_json(parse_ordered_json(text, "it")), text);
  for (const std::string alone : {"1", "\"a\"", "null", "[]", "{}"})
    EXPECT_EQ(dump_ordered_json(parse_ordered_json(" " + alone + " ", "it")), alone);
}

TEST(OrderedJson, SaysWhatIsWrong) {
  const auto said = [](const std::string& text) {
    return test::error_message([&] { parse_ordered_json(text, "it"); });
  };
  EXPECT_EQ(said(R"({"a": {"b": 1, "c": 2, "b": 3}})"), "it: the JSON has 'b' twice");
  EXPECT_EQ(parse_ordered_json(R"([{"a": 1}, {"a": 1}])", "it").size(), 2u);
  EXPECT_EQ(said(std::string(201, '[')), "it: JSON nested deeper than 200 levels");
  EXPECT_TRUE(parse_ordered_json(std::string(200, '[') + std::string(200, ']'), "it").is_array());
  for (const std::string broken : {"", "{", "[1,]", "{\"a\"}", "1 2", "\"\xff\""})
    EXPECT_TRUE(said(broken).starts_with("it: not valid JSON: ")) << broken;
}

}  // namespace
}  // namespace quiver
