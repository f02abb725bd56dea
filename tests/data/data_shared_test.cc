#include <map>

#include "data/tokenized_example.h"
#include "quiver/dataset.h"
#include "quiver/task.h"
#include "support/test_support.h"

namespace quiver {
namespace {

std::map<std::string, std::size_t> rows_by_task(const std::vector<Example>& rows) {
  std::map<std::string, std::size_t> counts;
  for (const Example& row : rows) ++counts[row.task_name];
  return counts;
}

TEST(SharedData, P3FlatHasItsTasksAndSplits) {
  QUIVER_REQUIRE_SHARED(folder, "p3-flat");
  const TaskDataset dataset = TaskDataset::load({.path = (folder / "p3-flat.parquet").string()});
  EXPECT_EQ(dataset.task_names().size(), 23u);
  EXPECT_EQ(rows_by_task(dataset.examples(Split::kTrain)).at("sciq_Multiple_Choice"), 120u);
  EXPECT_EQ(rows_by_task(dataset.examples(Split::kValidation)).at("sciq_Multiple_Choice"), 20u);
  EXPECT_EQ(rows_by_task(dataset.examples(Split::kTest)).at("sciq_Multiple_Choice"), 60u);

  const TaskDataset lines = TaskDataset::load({.path = (folder / "p3-flat.jsonl").string()});
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
    const std::vector<Example>& expected = lines.examples(split);
    const std::vector<Example>& rows = dataset.examples(split);
    ASSERT_EQ(rows.size(), expected.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(rows[i].source, expected[i].source);
      ASSERT_EQ(rows[i].target, expected[i].target);
      ASSERT_EQ(rows[i].task_name, expected[i].task_name);
    }
  }
}

TEST(SharedData, ArcEasyHasItsQuestions) {
  QUIVER_REQUIRE_SHARED(folder, "arc");
  const TaskDefinition task = read_task_definition(test::source_directory() / "tasks/arc_easy.json");
  const auto read = [&](const char* name) { return read_task_questions(task, folder / name).choices; };
  const std::vector<ChoiceQuestion> questions = read("ARC-Easy-Test.jsonl");
  EXPECT_EQ(questions.size(), 2376u);
  EXPECT_EQ(questions[0].id, "Mercury_417466");
  EXPECT_EQ(questions[0].choices[0], "Sunlight is the source of energy for nearly all ecosystems.");
  EXPECT_EQ(questions[0].answer, 0u);
  EXPECT_EQ(read("ARC-Easy-Dev.jsonl").size(), 570u);
  EXPECT_EQ(read("ARC-Easy-Train.jsonl").size(), 2251u);
}

// GPT-2's vocabulary on every training row: what is a target decodes to the answer.
TEST(SharedData, TargetsOfP3DecodeToTheAnswers) {
  QUIVER_REQUIRE_SHARED(folder, "p3-flat");
  QUIVER_REQUIRE_SHARED(vocabulary, "gpt2-tokenizer");
  const auto tokenizer = Tokenizer::from_file(vocabulary / "tokenizer.json");
  constexpr std::int32_t kEndOfText = 50256;
  const TaskDataset dataset = TaskDataset::load({.path = (folder / "p3-flat.parquet").string()});
  TokenizeOptions options;
  options.max_input_length = 1 << 20;
  for (const Example& row : dataset.examples(Split::kTrain)) {
    const std::optional<TokenizedExample> example =
        tokenize_for_training(*tokenizer, kEndOfText, row, options);
    ASSERT_TRUE(example.has_value());
    ASSERT_EQ(example->ids.back(), kEndOfText);
    const std::span<const std::int32_t> ids(example->ids);
    const auto begin = static_cast<std::size_t>(example->target_begin);
    const JoinedText joined = join_source_target(row.source, row.target, SpaceMerging::kIntoNextWord);
    const std::string answer = tokenizer->decode(ids.subspan(begin, ids.size() - 1 - begin));
    // A token may reach back over the border; never by more than the white space before the answer.
    ASSERT_TRUE(answer.ends_with(joined.target)) << answer;
    ASSERT_EQ(answer.substr(0, answer.size() - joined.target.size()).find_first_not_of(" \n\t"),
              std::string::npos)
        << answer;
  }
}

}  // namespace
}  // namespace quiver
