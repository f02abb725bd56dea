// Where a task's rows are found, and what becomes of them.

#include "core/json.h"
#include "quiver/task.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

class Questions : public testing::Test {
 protected:
  Questions() {
    task_.name = "quiz";
    task_.repository = "owner/quiz_data";
    task_.config = "easy";
    task_.split = "test";
    task_.prompt = "Q: {q}\nA:";
    task_.choice_list = "options";
    task_.gold = "label";
    task_.metrics = {"acc"};
    task_.main_metric = "acc";
  }

  void write(const std::string& name, const std::vector<Json>& rows) {
    std::string lines;
    for (const Json& row : rows) lines += dump_json(row) + "\n";
    write_file_atomic(scratch_ / name, lines);
  }

  std::vector<ChoiceQuestion> read(const TaskReadOptions& options = {}) {
    return read_task_questions(task_, scratch_.path(), options).choices;
  }

  static Json row(const std::string& question, const Json& label) {
    return {{"q", question}, {"options", {"yes", "no"}}, {"label", label}};
  }

  TaskDefinition task_;
  test::ScratchDirectory scratch_;
};

TEST_F(Questions, AreFoundInEveryLayout) {
  for (const char* name : {"quiz/easy/test.jsonl", "quiz/test.json", "quiz/data/test-00000-of-00001.jsonl",
                           "quiz_data/easy/test-00000-of-00002.jsonl", "owner/quiz_data/easy/test.jsonl",
                           "quiz/Easy-Test.jsonl"}) {
    write(name, {row("Why?", 1)});
    const std::vector<ChoiceQuestion> questions = read();
    ASSERT_EQ(questions.size(), 1u) << name;
    EXPECT_EQ(questions[0].task, "quiz");
    EXPECT_EQ(questions[0].answer, 1u);
    EXPECT_EQ(questions[0].prompts, std::vector<std::string>(2, "Q: Why?\nA:"));
    EXPECT_EQ(questions[0].continuations, (std::vector<std::string>{" yes", " no"}));
    std::filesystem::remove_all(scratch_ / std::filesystem::path(name).begin()->string());
  }
  // The data folder itself, for one task only; a file by its own path.
  write("easy/test.jsonl", {row("Why?", "0")});
  EXPECT_EQ(read({.only_task = true})[0].answer, 0u);
  EXPECT_EQ(read_task_questions(task_, scratch_ / "easy/test.jsonl").choices.size(), 1u);
  EXPECT_EQ(error_message([&] { read(); }),
            "task 'quiz': no data under '" + scratch_.path().string() + "' | expected " +
                (scratch_ / "quiz/easy/test*.parquet").string() +
                " or test.jsonl, or a copy of the hub's data set owner/quiz_data at " +
                (scratch_ / "quiz_data").string());
}

TEST_F(Questions, FilesOfASplitAreReadInOrderAndOtherSplitsAreNot) {
  write("quiz/test-00001-of-00002.jsonl", {row("third", 0)});
  write("quiz/test-00000-of-00002.jsonl", {row("first", 0), row("second", 0)});
  write("quiz/train.jsonl", {row("no", 0)});
  write("quiz/testing.jsonl", {row("no", 0)});
  const std::vector<ChoiceQuestion> questions = read();
  ASSERT_EQ(questions.size(), 3u);
  EXPECT_EQ(questions[2].prompts[0], "Q: third\nA:");
  EXPECT_EQ(read({.limit = 2}).size(), 2u);
  write_file_atomic(scratch_ / "quiz/test.parquet", "");
  EXPECT_NE(error_message([&] { read(); }).find("in several formats"), std::string::npos);
}

TEST_F(Questions, AnIdThatIsNoNameIsNotOne) {
  Json with_list = row("a", 0);
  with_list["id"] = {1, 2};
  Json with_name = row("b", 0);
  with_name["id"] = "mine";
  write("quiz/test.jsonl", {with_list, with_name});
  EXPECT_EQ(read()[0].id, "0");
  EXPECT_EQ(read()[1].id, "mine");
}

TEST_F(Questions, GoldIsAnIndexOrALabel) {
  write("quiz/test.jsonl", {row("a", " 1")});
  EXPECT_EQ(read()[0].answer, 1u);
  task_.labels = {"x", "y"};
  write("quiz/test.jsonl", {row("a", " y")});
  EXPECT_EQ(read()[0].answer, 1u);
  const std::string where = (scratch_ / "quiz/test.jsonl").string() + ":1: ";
  write("quiz/test.jsonl", {row("a", "z")});
  EXPECT_EQ(error_message([&] { read(); }), where + "'label' 'z' names none of the 2 choices");
  task_.labels.clear();
  for (const char* label : {"2", "-1", "", "1x", "99999999999999999999"}) {
    write("quiz/test.jsonl", {row("a", label)});
    EXPECT_EQ(error_message([&] { read(); }), where + "'label' '" + label + "' names none of the 2 choices");
  }
  write("quiz/test.jsonl", {Json{{"q", "a"}, {"options", {"one"}}, {"label", 0}}});
  EXPECT_EQ(error_message([&] { read(); }), where + "a question needs two choices, has 1");
}

TEST_F(Questions, SubtasksHaveDescriptionAndShots) {
  task_.config = "*";
  task_.skip_configs = {"all"};
  task_.description = "About {subtask}.\n\n";
  task_.shots_split = "dev";
  write("quiz/two_words/test.jsonl", {row("a", 0), row("b", 1)});
  write("quiz/two_words/dev.jsonl", {row("c", 1), row("d", 0), row("e", 0)});
  write("quiz/all/test.jsonl", {row("no", 0)});
  write("quiz/one/test.jsonl", {row("f", 0)});
  write("quiz/one/dev.jsonl", {row("g", 0), row("h", 1)});
  const std::vector<ChoiceQuestion> questions = read({.shots = 2});
  ASSERT_EQ(questions.size(), 3u);
  EXPECT_EQ(questions[0].task, "quiz_one");
  EXPECT_EQ(questions[1].task, "quiz_two_words");
  EXPECT_EQ(questions[2].prompts[0], "About two words.\n\nQ: c\nA: no\n\nQ: d\nA: yes\n\nQ: b\nA:");
  EXPECT_EQ(read({.limit = 1}).size(), 2u);
  const std::filesystem::path file = scratch_ / "quiz/one/test.jsonl";
  EXPECT_EQ(error_message([&] { read_task_questions(task_, file); }),
            "task 'quiz' has a folder a subtask, '" + file.string() +
                "' is a file | give the folder that holds them");
  EXPECT_EQ(error_message([&] { read({.shots = 3}); }), "task 'quiz' needs 3 shots, split 'dev' in '" +
                                                            (scratch_ / "quiz/one").string() +
                                                            "' has 2 | --shots 0 runs without");
}

TEST_F(Questions, TextsToWriteHaveATarget) {
  task_.choice_list.clear();
  task_.gold.clear();
  task_.target = "{t}";
  task_.delimiter = "";
  task_.shots_split = "shots";
  task_.description_file = "description.txt";
  write("quiz/test.jsonl", {Json{{"q", "a"}, {"t", "x"}, {"id", 7}}});
  write("quiz/shots.jsonl", {Json{{"q", "b"}, {"t", "y"}}});
  write_file_atomic(scratch_ / "quiz/description.txt", "Solve.\n\n");
  const TaskQuestions questions = read_task_questions(task_, scratch_.path(), {.shots = 1});
  ASSERT_EQ(questions.texts.size(), 1u);
  EXPECT_EQ(questions.texts[0].prompt, "Solve.\n\nQ: b\nA:y\n\nQ: a\nA:");
  EXPECT_EQ(questions.texts[0].answer, "x");
  EXPECT_EQ(questions.texts[0].id, "7");
}

TEST_F(Questions, EmptyDataIsAnError) {
  write("quiz/test.jsonl", {});
  EXPECT_EQ(error_message([&] { read(); }),
            "task 'quiz': '" + scratch_.path().string() + "' holds no question");
  EXPECT_EQ(error_message([&] { read_task_questions(task_, scratch_ / "nowhere"); }),
            "data '" + (scratch_ / "nowhere").string() + "' not found");
}

}  // namespace
}  // namespace quiver
