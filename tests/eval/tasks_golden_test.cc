// The tasks of tasks/ against lm-evaluation-harness, question by question.

#include "quiver/evaluation.h"
#include "support/golden.h"

namespace quiver {
namespace {

constexpr double kRelative = 1e-5;  // float32 on both sides, sums of up to 40 tokens

// The golden rows in a folder of the hub's layout.
class LmEval : public testing::TestWithParam<const char*> {
 protected:
  LmEval() {
    for (const auto& [name, rows] : golden_.at("files").items()) {
      std::string lines;
      for (const Json& row : rows) lines += dump_json(row) + "\n";
      write_file_atomic(scratch_ / name, lines);
    }
  }

  const Json golden_ = test::golden_json("lm_eval.json");
  test::ScratchDirectory scratch_;
};

TEST_P(LmEval, ScoresAndAnswersAreTheHarness) {
  const TaskDefinition task =
      read_task_definition(test::source_directory() / "tasks" / (std::string(GetParam()) + ".json"));
  const std::vector<ChoiceQuestion> questions = read_task_questions(task, scratch_.path()).choices;
  const RoutedModel model(test::golden_base("tiny_llama"));
  const ChoiceEvaluation result = evaluate_choices({&model, 1}, questions, task.metrics).front();
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Json& expected = golden_.at("tasks").at(questions[i].task);
    const std::size_t position = seen[questions[i].task]++;
    const auto logprobs = expected.at("logprobs").at(position).get<std::vector<double>>();
    ASSERT_EQ(result.logprobs[i].size(), logprobs.size()) << questions[i].id;
    for (std::size_t c = 0; c < logprobs.size(); ++c)
      EXPECT_NEAR(result.logprobs[i][c], logprobs[c], kRelative * -logprobs[c]) << questions[i].id;
    for (const Evaluation& metric : result.metrics) {
      if (!expected.contains(metric.metric)) continue;
      EXPECT_EQ(metric.chosen[i] == questions[i].answer, expected.at(metric.metric).at(position) == 1)
          << questions[i].id << " " << metric.metric;
    }
  }
  for (const auto& [name, count] : seen)
    EXPECT_EQ(count, golden_.at("tasks").at(name).at("logprobs").size()) << name;
}

INSTANTIATE_TEST_SUITE_P(Tasks, LmEval,
                         testing::Values("arc_easy", "arc_challenge", "piqa", "hellaswag", "winogrande",
                                         "openbookqa", "boolq", "mmlu"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace quiver
