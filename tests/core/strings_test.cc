#include "core/strings.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

TEST(SplitList, TrimsAndDropsEmptyParts) {
  EXPECT_EQ(split_list(" a, b ,,c "), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(split_list("").empty());
}

TEST(ReplaceAll, GoesOverTheTextOnce) {
  EXPECT_EQ(replace_all("a   b", "  ", " "), "a  b");
  EXPECT_EQ(replace_all("aaa", "a", "aa"), "aaaaaa");
  EXPECT_EQ(replace_all("none", "x", ""), "none");
}

TEST(LowerCase, ChangesAsciiLettersOnly) {
  EXPECT_EQ(lower_case("All-Linear_\u00c4 9Z"), "all-linear_\u00c4 9z");
}

TEST(EscapeControls, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(escape_controls("Gr\u00fc\u00dfe, \u4e16 \U0001F600 'a' \\"),
            "Gr\u00fc\u00dfe, \u4e16 \U0001F600 'a' \\");
  EXPECT_EQ(escape_controls("a\nb\tc\x1b[31m\x7f"), "a\\nb\\tc\\x1b[31m\\x7f");
  EXPECT_EQ(escape_controls(std::string("\0x", 2)), "\\x00x");
  EXPECT_EQ(escape_controls("\u009b31m"), "\\xc2\\x9b31m");  // an escape sequence in one character
  EXPECT_EQ(escape_controls("\xff\xc3(\xe4\xb8"), "\\xff\\xc3(\\xe4\\xb8");  // no UTF-8
  EXPECT_EQ(escape_controls(""), "");
}

TEST(NearestNames, RanksByEditDistance) {
  const std::vector<std::string> names = {"learning_rate", "lora_rank", "warmup_steps"};
  EXPECT_EQ(nearest_names("lora_rnak", names).front(), "lora_rank");
  EXPECT_TRUE(nearest_names("zzzzzzzz", names).empty());
  EXPECT_EQ(did_you_mean("learning_rat", names), "did you mean 'learning_rate'?");
}

}  // namespace
}  // namespace quiver
