#include "eval/rouge.h"

#include "support/test_support.h"

namespace quiver {
namespace {

using Strings = std::vector<std::string>;

TEST(RougeWords, SplitsOnEverythingButAsciiLettersAndDigits) {
  EXPECT_EQ(rouge_words("The naïve Runner's 3.14\n"), (Strings{"the", "na", "ve", "runner", "s", "3", "14"}));
  EXPECT_EQ(rouge_words("300\xE2\x84\xAA \xC4\xB0x"), (Strings{"300k", "i", "x"}));
  EXPECT_EQ(rouge_words("was cats skies"), (Strings{"was", "cat", "sky"}));
  EXPECT_TRUE(rouge_words("\xff\xfe --").empty());
}

TEST(RougeL, IsTheHarmonicMeanOfPrecisionAndRecall) {
  // L = 2, P = 2/4, R = 2/3.
  EXPECT_DOUBLE_EQ(rouge_l("a x b y", "a b c"), 2 * (0.5 * 2 / 3) / (0.5 + 2.0 / 3));
  EXPECT_EQ(rouge_l("same words here", "same words here"), 1);
  EXPECT_EQ(rouge_l("", "a"), 0);
  EXPECT_EQ(rouge_l("a", ""), 0);
  EXPECT_EQ(rouge_l("", ""), 0);
  EXPECT_EQ(rouge_l("a", "b"), 0);
}

TEST(ExactMatch, IgnoresCasePunctuationAndSpacing) {
  EXPECT_EQ(exact_match(" The\u00a0Answer, is:\t42! ", "the answer is 42"), 1);
  EXPECT_EQ(exact_match("ÉCOLE", "école"), 1);
  EXPECT_EQ(exact_match("an answer", "answer"), 0);
  EXPECT_EQ(exact_match("a-b", "ab"), 1);
  EXPECT_EQ(exact_match("", "..."), 1);
  EXPECT_EQ(exact_match("\xff", "a"), 0);
}

}  // namespace
}  // namespace quiver
