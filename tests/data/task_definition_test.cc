#include <algorithm>

#include "core/json.h"
#include "quiver/task.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

class Definition : public testing::Test {
 protected:
  // The message for the definition below with `changes` merged in (null takes a key away), without the path.
  std::string failure(const Json& changes) {
    Json json = {{"name", "t"},     {"split", "test"},    {"prompt", "{q}"},     {"choices", "options"},
                 {"gold", "label"}, {"metrics", {"acc"}}, {"main_metric", "acc"}};
    json.merge_patch(changes);
    write_file_atomic(path_, dump_json(json));
    const std::string message = error_message([&] { read_task_definition(path_); });
    return message.substr(std::min(message.size(), path_.string().size() + 2));
  }

  test::ScratchDirectory scratch_;
  std::filesystem::path path_ = scratch_ / "task.json";
};

TEST_F(Definition, RefusesWhatContradictsItself) {
  EXPECT_EQ(failure({{"prmpt", "x"}}), "unknown key 'prmpt' | did you mean 'prompt' or 'prompts'?");
  EXPECT_EQ(failure({{"name", "a/b"}}), "'name' must not be empty, begin with '.', or hold '/' or ','");
  EXPECT_EQ(failure({{"name", "../x"}}), "'name' must not be empty, begin with '.', or hold '/' or ','");
  EXPECT_EQ(failure({{"split", nullptr}}), "'split' is missing");
  EXPECT_EQ(failure({{"prompts", "p"}}), "either 'prompt' or 'prompts' must be there");
  EXPECT_EQ(failure({{"target", "{t}"}}), "either 'choices' or 'target' must be there");
  EXPECT_EQ(failure({{"gold", nullptr}}), "'gold' goes with 'choices'");
  EXPECT_EQ(failure({{"continuation", "c"}}), "'continuation' goes with 'prompts'");
  EXPECT_EQ(failure({{"shots", 2}}), "'shots' needs 'shots_split'");
  EXPECT_EQ(failure({{"shots", -1}}), "'shots' is -1, must be 0 or more");
  EXPECT_EQ(failure({{"max_new_tokens", 0}}), "'max_new_tokens' is 0, must be at least 1");
  EXPECT_EQ(failure({{"metrics", {"exact_match"}}}), "metric 'exact_match' is none of acc, acc_norm, mttl");
  EXPECT_EQ(failure({{"main_metric", "mttl"}}), "'main_metric' must be one of 'metrics'");
  EXPECT_EQ(failure({{"metrics", 3}}), "'metrics' has the wrong type: 3");
  EXPECT_EQ(failure({{"extraction", "regex"}}), "unknown extraction 'regex' | it is whole or the_answer_is");
}

// A prompt that is empty is there: sentences are scored by themselves.
TEST_F(Definition, AnEmptyPromptIsOne) {
  write_file_atomic(path_, dump_json(Json{{"name", "t"},
                                          {"split", "test"},
                                          {"prompt", ""},
                                          {"choices", {"{good}", "{bad}"}},
                                          {"gold", "label"},
                                          {"metrics", {"acc"}},
                                          {"main_metric", "acc"}}));
  write_file_atomic(scratch_ / "rows.jsonl", R"({"good": "yes", "bad": "no", "label": 0})");
  const ChoiceQuestion question =
      read_task_questions(read_task_definition(path_), scratch_ / "rows.jsonl", {.only_task = true})
          .choices.front();
  EXPECT_EQ(question.prompts, (std::vector<std::string>{"", ""}));
  EXPECT_EQ(question.continuations, (std::vector<std::string>{" yes", " no"}));
  EXPECT_EQ(question.where, (scratch_ / "rows.jsonl").string() + ":1");
  EXPECT_EQ(failure({{"prompt", nullptr}}), "either 'prompt' or 'prompts' must be there");
  EXPECT_EQ(failure({{"target", ""}}), "'target' is empty");
}

// What no row could mend is not blamed on the rows.
TEST_F(Definition, FaultsOfTheDefinitionAreItsOwn) {
  EXPECT_EQ(failure({{"choices", {"{right}"}}}), "'choices' lists one choice, a question needs two");
  EXPECT_EQ(failure({{"choices", {"{a}", "{b}"}}, {"labels", {"A", "B", "C"}}}),
            "'labels' has 3 entries, 'choices' 2");
  EXPECT_EQ(failure({{"prompt", "{q"}}),
            "'prompt': a brace out of place in '{q' | {field} is replaced, {{ and }} are braces");
  EXPECT_EQ(failure({{"choices", {"{a}", "b}"}}}),
            "'choices': a brace out of place in 'b}' | {field} is replaced, {{ and }} are braces");
  EXPECT_EQ(
      failure({{"preprocess", "no"}}),
      "unknown preprocessor 'no' | it is one of flatten_arc, clean_hellaswag, split_at_gap, strip_question");
}

TEST_F(Definition, TheProgramsOwnAreReadAndCalledAsTheirFiles) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::source_directory() / "tasks")) {
    EXPECT_EQ(read_task_definition(entry.path()).name, entry.path().stem().string());
    ++count;
  }
  EXPECT_EQ(count, 9u);
}

}  // namespace
}  // namespace quiver
