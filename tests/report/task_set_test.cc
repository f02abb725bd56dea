// The checked-in task set: data/tasks.jsonl and data/facts_choice.jsonl.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "support/test_support.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

using Json = nlohmann::json;

std::vector<Json> read_lines(const char* name) {
  std::istringstream lines(read_file(test::source_directory() / "data" / name, 1 << 20));
  std::vector<Json> values;
  std::string line;
  while (std::getline(lines, line)) values.push_back(Json::parse(line));
  return values;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

TEST(TaskSet, EveryTaskHasItsSplits) {
  std::map<std::string, std::map<std::string, int>> counts;
  std::set<std::string> skills;
  for (const Json& row : read_lines("tasks.jsonl")) {
    ASSERT_EQ(row.size(), 5u) << row;
    EXPECT_EQ(row.at("task_source"), "quiver");
    EXPECT_FALSE(row.at("source").get<std::string>().empty());
    EXPECT_FALSE(row.at("target").get<std::string>().empty());
    const auto task = row.at("task_name").get<std::string>();
    ++counts[task][row.at("split").get<std::string>()];
    skills.insert(task.substr(0, task.find('_')));
  }
  EXPECT_EQ(counts.size(), 12u);
  EXPECT_EQ(skills, (std::set<std::string>{"fact", "label", "number", "text"}));
  const std::map<std::string, int> expected = {{"train", 100}, {"validation", 20}, {"test", 30}};
  for (const auto& [task, splits] : counts) EXPECT_EQ(splits, expected) << task;
}

TEST(TaskSet, NoSourceAppearsTwice) {
  std::set<std::string> sources;
  for (const Json& row : read_lines("tasks.jsonl")) {
    EXPECT_TRUE(sources.insert(lower(row.at("source").get<std::string>())).second) << row;
  }
}

TEST(TaskSet, TextsAreShort) {
  for (const Json& row : read_lines("tasks.jsonl")) {
    EXPECT_LE(row.at("source").get<std::string>().size(), 70u) << row;
    EXPECT_LE(row.at("target").get<std::string>().size(), 36u) << row;
  }
}

// The words of a source in lower case, without punctuation at their ends.
std::vector<std::string> words_of(const Json& row) {
  std::istringstream text(lower(row.at("source")));
  std::vector<std::string> words;
  std::string word;
  while (text >> word) {
    while (!word.empty() && std::ispunct(static_cast<unsigned char>(word.back()))) word.pop_back();
    words.push_back(word);
  }
  return words;
}

// Content is what remains of a source without the words that a fifth of the task's sources hold, which are
// those of the instructions.
TEST(TaskSet, NoContentIsSharedBetweenSplits) {
  std::map<std::string, std::vector<Json>> tasks;
  for (const Json& row : read_lines("tasks.jsonl")) tasks[row.at("task_name")].push_back(row);
  for (const auto& [task, rows] : tasks) {
    std::map<std::string, int> uses;
    for (const Json& row : rows) {
      const std::vector<std::string> words = words_of(row);
      for (const std::string& word : std::set<std::string>(words.begin(), words.end())) ++uses[word];
    }
    std::map<std::string, std::string> split_of_content;
    for (const Json& row : rows) {
      std::string content;
      for (const std::string& word : words_of(row)) {
        if (uses[word] < 30) content += word + " ";
      }
      const auto split = row.at("split").get<std::string>();
      const auto [at, fresh] = split_of_content.emplace(content, split);
      EXPECT_TRUE(fresh || at->second == split)
          << task << ": " << content << "in " << split << " and " << at->second;
    }
  }
}

TEST(TaskSet, ChoiceQuestionsAreArcShapedAndBalanced) {
  const std::vector<Json> questions = read_lines("facts_choice.jsonl");
  EXPECT_EQ(questions.size(), 60u);
  std::set<std::string> ids;
  std::set<std::string> stems;
  std::map<std::string, int> answers;
  for (const Json& question : questions) {
    EXPECT_EQ(question.size(), 3u);
    EXPECT_TRUE(ids.insert(question.at("id")).second);
    EXPECT_TRUE(stems.insert(question.at("question").at("stem")).second);
    ++answers[question.at("answerKey")];
    const Json& choices = question.at("question").at("choices");
    ASSERT_EQ(choices.size(), 4u);
    std::set<std::string> texts;
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(choices[i].at("label"), std::string(1, static_cast<char>('A' + i)));
      EXPECT_TRUE(texts.insert(choices[i].at("text")).second) << question;
    }
  }
  EXPECT_EQ(answers, (std::map<std::string, int>{{"A", 15}, {"B", 15}, {"C", 15}, {"D", 15}}));
}

// What a training task answers must not be what a question asks: no question offers two answers of one task.
TEST(TaskSet, ChoiceQuestionsAskNothingThatIsTrained) {
  std::map<std::string, std::set<std::string>> targets;
  std::set<std::string> sources;
  for (const Json& row : read_lines("tasks.jsonl")) {
    const auto task = row.at("task_name").get<std::string>();
    sources.insert(lower(row.at("source").get<std::string>()));
    if (task.starts_with("fact_") || task.starts_with("label_"))
      targets[task].insert(lower(row.at("target")));
  }
  for (const Json& question : read_lines("facts_choice.jsonl")) {
    EXPECT_FALSE(sources.contains(lower(question.at("question").at("stem"))));
    for (const auto& [task, answers] : targets) {
      const Json& choices = question.at("question").at("choices");
      const auto shared = std::count_if(choices.begin(), choices.end(), [&](const Json& choice) {
        return answers.contains(lower(choice.at("text").get<std::string>()));
      });
      EXPECT_LE(shared, 1) << task << ": " << question;
    }
  }
}

TEST(TaskSet, GeneratorGivesTheCheckedInBytes) {
  const fs::path program = test::program_path().parent_path() / "tools" / "make_tasks";
  ASSERT_TRUE(fs::exists(program)) << program << ": build the target quiver_make_tasks";
  const test::ScratchDirectory scratch;
  std::ostringstream command;
  command << program << ' ' << scratch.path();  // a path prints itself in quotes
  const auto ran = test::run_command(command.str());
  ASSERT_EQ(ran.status, 0) << ran.output;
  std::uint64_t total = 0;
  for (const char* name : {"tasks.jsonl", "tasks_reworded.jsonl", "facts_choice.jsonl"}) {
    const std::string checked_in = read_file(test::source_directory() / "data" / name, 1 << 20);
    EXPECT_TRUE(read_file(scratch / name, 1 << 20) == checked_in) << name << " differs: run make_tasks data";
    total += checked_in.size();
  }
  EXPECT_LT(total, 600'000u);
}

}  // namespace
}  // namespace quiver
