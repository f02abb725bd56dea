#include "tensor/file_problem.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

TEST(FileProblem, ControlsAreEscaped) {
  EXPECT_EQ(in_quotes("a\nb\x1b[0m"), "\"a\\nb\\u001b[0m\"");
  EXPECT_EQ(in_quotes("\x7f"), "\"\\u007f\"");
  EXPECT_EQ(in_quotes("\u0085\u009b"), "\"\\u0085\\u009b\"");
  EXPECT_EQ(in_quotes("\u00a0\u00e4"), "\"\u00a0\u00e4\"");  // no controls
  EXPECT_EQ(in_quotes(""), "\"\"");
  EXPECT_EQ(printable("a\tb"), "a\\tb");
}

TEST(FileProblem, LongAndBrokenTexts) {
  EXPECT_EQ(in_quotes(std::string(101, 'x')), '"' + std::string(100, 'x') + "\"...");
  EXPECT_EQ(printable(std::string(101, 'x')), std::string(100, 'x') + "...");
  EXPECT_EQ(printable(std::string(101, 'x'), 101), std::string(101, 'x'));
  EXPECT_EQ(printable("\xff"), "\ufffd");
}

}  // namespace
}  // namespace quiver
