#include <gtest/gtest.h>

#include "quiver/evaluation.h"

namespace quiver {
namespace {

std::string extract(const std::string& text) { return extract_answer(text, AnswerExtraction::kTheAnswerIs); }

// Expected values: Python's re.findall("(?<=the answer is )(.*)(?=.)", text)[0].strip(), by hand.
TEST(ExtractAnswer, TakesTheLineWithoutItsLastCharacter) {
  EXPECT_EQ(extract("So the answer is False."), "False");
  EXPECT_EQ(extract("So the answer is (A).\nQ: next"), "(A)");
  EXPECT_EQ(extract("the answer is  two  ."), "two");
  EXPECT_EQ(extract("the answer is x"), "");
  EXPECT_EQ(extract("the answer is caf\xC3\xA9"), "caf");
}

TEST(ExtractAnswer, TakesTheFirstMarkerWithSomethingBehindIt) {
  EXPECT_EQ(extract("the answer is one. Or the answer is two."), "one. Or the answer is two");
  EXPECT_EQ(extract("the answer is \nthe answer is two."), "two");
}

TEST(ExtractAnswer, SaysWhereThereIsNone) {
  EXPECT_EQ(extract("The answer: yes."), "[invalid]");
  EXPECT_EQ(extract(""), "[invalid]");
  EXPECT_EQ(extract("the answer is "), "[invalid]");
}

TEST(ExtractAnswer, WholeTextStaysAsItIs) {
  EXPECT_EQ(extract_answer(" a b\n", AnswerExtraction::kWhole), " a b\n");
}

}  // namespace
}  // namespace quiver
