#include "text/added_tokens.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

// "[begin,end)id" of each part, text between tokens without id.
std::string split(const std::vector<AddedToken>& tokens, const std::string& text) {
  std::string result;
  for (const auto& part : AddedTokenMatcher(tokens).split(text)) {
    result += "[" + std::to_string(part.begin) + "," + std::to_string(part.end) + ")" +
              (part.id ? std::to_string(*part.id) : "") + " ";
  }
  return result;
}

TEST(AddedTokens, LeftmostThenLongest) {
  EXPECT_EQ(
      split({{.id = 1, .content = "ab"}, {.id = 2, .content = "abc"}, {.id = 3, .content = "bcd"}}, "xabcd"),
      "[0,1) [1,4)2 [4,5) ");
  EXPECT_EQ(split({}, "abc"), "[0,3) ");
  EXPECT_EQ(split({{.id = 1, .content = "a"}}, ""), "");
}

TEST(AddedTokens, SingleWordsStandAlone) {
  const std::vector<AddedToken> tokens = {{.id = 1, .content = "end", .single_word = true}};
  EXPECT_EQ(split(tokens, "end bend end_ (end)"), "[0,3)1 [3,15) [15,18)1 [18,19) ");
  EXPECT_EQ(split(tokens, "\u00e9end"), "[0,5) ");
}

TEST(AddedTokens, StripsTakeWhiteSpaceAlong) {
  EXPECT_EQ(split({{.id = 1, .content = "m", .lstrip = true, .rstrip = true}}, "a \u3000m \tb m m"),
            "[0,1) [1,8)1 [8,9) [9,12)1 [12,13)1 ");
}

TEST(AddedTokens, StrippingTokensInsideWhiteSpaceStayLinear) {
  const std::vector<AddedToken> tokens = {{.id = 1, .content = " ", .lstrip = true, .rstrip = true}};
  EXPECT_EQ(AddedTokenMatcher(tokens).split(std::string(200'000, ' ')).size(), 200'000u);
}

}  // namespace
}  // namespace quiver
