#include "data/multiple_choice.h"

#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

std::string row(const std::string& labels, const std::string& answer) {
  std::string choices;
  for (const char label : labels) {
    choices += (choices.empty() ? "" : ", ") + std::string("{\"text\": \"choice ") + label +
               "\", \"label\": \"" + label + "\"}";
  }
  return R"({"id": "q", "question": {"stem": "Why?", "choices": [)" + choices + "]}" + answer + "}\n";
}

class Arc : public testing::Test {
 protected:
  std::string failure(const std::string& content) {
    write_file_atomic(path_, content);
    const std::string message = error_message([&] { read_arc(path_); });
    return message.substr(std::min(message.size(), path_.string().size()));
  }

  test::ScratchDirectory scratch_;
  std::filesystem::path path_ = scratch_ / "arc.jsonl";
};

TEST_F(Arc, ReadsLettersAndDigits) {
  write_file_atomic(path_, row("ABCD", R"(, "answerKey": "C")") + row("123", R"(, "answerKey": "2")"));
  const std::vector<MultipleChoiceQuestion> questions = read_arc(path_);
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[0].id, "q");
  EXPECT_EQ(questions[0].question, "Why?");
  EXPECT_EQ(questions[0].choices.size(), 4u);
  EXPECT_EQ(questions[0].choices[1], "choice B");
  EXPECT_EQ(questions[0].answer, 2u);
  EXPECT_EQ(questions[1].answer, 1u);
}

TEST_F(Arc, NamesTheBadLine) {
  const std::string good = row("AB", R"(, "answerKey": "A")");
  EXPECT_EQ(failure(good + row("AB", "")), ":2: 'answerKey' is missing or no text");
  EXPECT_EQ(failure(row("AB", R"(, "answerKey": "C")")), ":1: answerKey 'C' names none of the 2 choices");
  EXPECT_EQ(failure(row("AB", R"(, "answerKey": "")")), ":1: label '' must be a letter A.. or a digit 1..");
  EXPECT_EQ(failure(row("BA", R"(, "answerKey": "A")")), ":1: the labels of 'choices' are not in order");
  EXPECT_EQ(failure(row("A", R"(, "answerKey": "A")")), ":1: 'choices' must be a list of two or more");
  EXPECT_EQ(failure(R"({"id": "q", "question": "Why?"})"), ":1: 'stem' is missing or no text");
  EXPECT_EQ(failure(R"({"id": "q", "question": {"stem": "s", "choices": [1, 2]}})"),
            ":1: 'label' is missing or no text");
  EXPECT_EQ(failure(R"({"id": 4})"), ":1: 'id' is missing or no text");
}

TEST_F(Arc, RefusesAnEmptyFile) {
  write_file_atomic(path_, "\n");
  EXPECT_EQ(error_message([&] { read_arc(path_); }), "'" + path_.string() + "' holds no question");
}

}  // namespace
}  // namespace quiver
