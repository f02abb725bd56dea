#include "tensor/file_problem.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

TEST(FileProblem, ControlsAreEscaped) {
  EXPECT_EQ(in_quotes("a\nb\x1b[0m"), "\"a\\nb\\u001b[0m\"");
  EXPECT_EQ(in_quotes("\x7f"), "\"\\x7f\"");
  EXPECT_EQ(in_quotes("\u0085\u009b"), "\"\\xc2\\x85\\xc2\\x9b\"");
  EXPECT_EQ(in_quotes("\u00a0\u00e4"), "\"\u00a0\u00e4\"");  // no controls
  EXPECT_EQ(in_quotes(""), "\"\"");
  EXPECT_EQ(printable("a\tb"), "a\\tb");
}

TEST(FileProblem, LongAndBrokenTexts) {
  EXPECT_EQ(in_quotes(std::string(101, 'x')), '"' + std::string(100, 'x') + "\"...");
  EXPECT_EQ(printable(std::string(101, 'x')), std::string(100, 'x') + "...");
  EXPECT_EQ(printable(std::string(101, 'x'), 101), std::string(101, 'x'));
  EXPECT_EQ(printable("\xff"), "\\xff");
}

}  // namespace
}  // namespace quiver
