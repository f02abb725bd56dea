#include "core/json.h"

#include "support/test_support.h"

namespace quiver {
namespace {

TEST(ParseJson, RefusesNestingThatWouldOverflowTheStack) {
  EXPECT_NE(test::error_message([] {
              parse_json(std::string(2'000'000, '['), "x.json");
            }).find("x.json: JSON nested"),
            std::string::npos);
  EXPECT_EQ(parse_json(R"({"a": "[[[[\"[["})", "x.json").at("a"), "[[[[\"[[");
}

TEST(JsonValue, NamesKeyAndValueOfAWrongType) {
  const Json object = parse_json(R"({"rank": "four"})", "c.json");
  EXPECT_EQ(test::error_message([&] { json_value(object, "rank", 4, "c.json"); }),
            "c.json: 'rank' has the wrong type: \"four\"");
  EXPECT_EQ(json_value(object, "alpha", 16, "c.json"), 16);
}

}  // namespace
}  // namespace quiver
