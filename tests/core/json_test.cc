#include "core/json.h"

#include <cmath>

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

TEST(DumpJson, RefusesWhatIsNotFinite) {
  const Json rows = {{"rows", {1.5, {{"value", std::nan("")}}}}};
  EXPECT_EQ(test::error_message([&] { dump_json(rows); }),
            "the number to be written at '/rows/1/value' is not finite");
  EXPECT_EQ(test::error_message([&] { dump_json(-INFINITY); }),
            "the number to be written at '' is not finite");
  EXPECT_EQ(dump_json({{"a", nullptr}, {"b", 1e300}}), R"({"a":null,"b":1e+300})");
}

TEST(JsonValue, NamesKeyAndValueOfAWrongType) {
  const Json object = parse_json(R"({"rank": "four"})", "c.json");
  EXPECT_EQ(test::error_message([&] { json_value(object, "rank", 4, "c.json"); }),
            "c.json: 'rank' has the wrong type: \"four\"");
  EXPECT_EQ(json_value(object, "alpha", 16, "c.json"), 16);
}

}  // namespace
}  // namespace quiver
