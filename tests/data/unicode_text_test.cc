#include "data/unicode_text.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

TEST(UnicodeText, StripsWhatPythonCallsSpace) {
  EXPECT_EQ(strip(" \t\n a b \x1c"), "a b");
  EXPECT_EQ(strip("\u3000\u2009a\u00a0\u2028"), "a");
  EXPECT_EQ(strip("\u200ba\u200b"), "\u200ba\u200b");  // no space to Python
  EXPECT_EQ(strip(" \u00a0 "), "");
  EXPECT_EQ(strip(""), "");
  EXPECT_EQ(strip_right("  a  "), "  a");
  EXPECT_EQ(strip_right(" \xff "), " \xff");
}

TEST(UnicodeText, Capitalizes) {
  EXPECT_EQ(capitalize("then McDONALD runs"), "Then mcdonald runs");
  EXPECT_EQ(capitalize("éva Ärger Ω"), "Éva ärger ω");
  EXPECT_EQ(capitalize("ǆ"), "ǅ");  // title case, not upper case
  EXPECT_EQ(capitalize(" A"), " a");
  EXPECT_EQ(capitalize(""), "");
}

TEST(UnicodeText, CountsCodePoints) {
  EXPECT_EQ(character_length("a\u00e9\u6771\U0001f642"), 4);
  EXPECT_EQ(character_length("e\u0301"), 2);
}

}  // namespace
}  // namespace quiver
