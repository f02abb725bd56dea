#include "transforms/prompt_choice.h"

#include "core/json.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using Tasks = std::vector<std::string>;

class PromptChoiceTest : public testing::Test {
 protected:
  // As many training rows of each task as `counts` says.
  TaskDataset data(const std::map<std::string, int>& counts) const {
    std::string rows;
    for (const auto& [task, count] : counts) {
      for (int i = 0; i <= count; ++i) {
        rows += dump_json({{"source", task + std::to_string(i)},
                           {"target", "x"},
                           {"task_name", task},
                           {"split", i < count ? "train" : "test"}}) +
                "\n";
      }
    }
    write_file_atomic(scratch_ / "rows.jsonl", rows);
    return TaskDataset::load({.path = (scratch_ / "rows.jsonl").string()});
  }

  static std::vector<std::string> texts(const PromptChoice& choice, std::int64_t task) {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < choice.rows.size(); ++i) {
      if (choice.tasks[i] == task) result.push_back(choice.rows[i]->source);
    }
    return result;
  }

  test::ScratchDirectory scratch_;
};

TEST_F(PromptChoiceTest, EvenlyOverTheTasksAsFarAsTheyHaveRows) {
  const TaskDataset all = data({{"a", 3}, {"b", 20}, {"c", 20}});
  const TrainingRows rows = training_rows(all);
  const PromptChoice choice = choose_prompts(rows, {"c", "a", "b"}, 16, 1, "e");
  EXPECT_EQ(choice.tasks, (std::vector<std::int64_t>{0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2}));
  EXPECT_EQ(texts(choice, 1), (std::vector<std::string>{"a0", "a1", "a2"}));
  for (const Example* row : choice.rows) EXPECT_EQ(row->target, "x");
  EXPECT_EQ(choose_prompts(rows, {"a", "b", "c"}, 1000, 1, "e").rows.size(), 43u);  // no test row
  EXPECT_EQ(choose_prompts(rows, {"a", "b", "c"}, 1, 1, "e").rows.size(), 6u);      // two of each at least
}

TEST_F(PromptChoiceTest, SeedAndTaskDecideAlone) {
  const TaskDataset all = data({{"a", 50}, {"b", 50}});
  const TrainingRows rows = training_rows(all);
  const PromptChoice both = choose_prompts(rows, {"b", "a"}, 20, 1, "e");
  const PromptChoice again = choose_prompts(rows, {"b", "a"}, 20, 1, "other");
  const PromptChoice one = choose_prompts(rows, {"a"}, 10, 1, "e");
  const PromptChoice seeded = choose_prompts(rows, {"a"}, 10, 2, "e");
  EXPECT_EQ(both.rows, again.rows);
  EXPECT_EQ(both.digest, again.digest);
  EXPECT_EQ(texts(both, 1), texts(one, 0));
  EXPECT_NE(texts(one, 0), texts(seeded, 0));
  EXPECT_NE(one.digest, seeded.digest);
  // Not the first ones, and in the order of the data.
  EXPECT_NE(one.rows.back(), rows.at("a")[9]);
  EXPECT_TRUE(std::ranges::is_sorted(one.rows));
}

TEST_F(PromptChoiceTest, OtherTextsHaveAnotherDigest) {
  const auto digest = [&](const TaskDataset& all) {
    return choose_prompts(training_rows(all), {"a"}, 10, 1, "e").digest;
  };
  const TaskDataset two = data({{"a", 2}}), three = data({{"a", 3}}), same = data({{"a", 2}});
  EXPECT_EQ(digest(two), digest(same));
  EXPECT_NE(digest(two), digest(three));
}

TEST_F(PromptChoiceTest, ATaskNeedsTwoRows) {
  const TaskDataset all = data({{"a", 5}, {"b", 1}});
  const TrainingRows rows = training_rows(all);
  EXPECT_EQ(
      test::error_message([&] {
        choose_prompts(rows, {"a", "b"}, 10, 1, "e");
      }),
      "task 'b' of expert 'e' has 1 training row, its statistics need at least two | check the data set "
      "and its filters");
  EXPECT_EQ(
      test::error_message([&] { choose_prompts(rows, {"c"}, 10, 1, "e"); }),
      "task 'c' of expert 'e' has 0 training rows, its statistics need at least two | check the data set "
      "and its filters");
}

}  // namespace
}  // namespace quiver
