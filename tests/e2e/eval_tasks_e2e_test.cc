// `quiver eval TASKS`: several tasks on one loaded base, missing data, definitions of one's own.

#include "e2e/program_test.h"

namespace quiver {
namespace {

class EvalTasks : public test::ProgramTest {
 protected:
  EvalTasks() {
    const Json golden = read_json_file(test::golden_path("lm_eval.json"));
    for (const auto& [name, rows] : golden.at("files").items()) {
      std::string lines;
      for (const Json& row : rows) lines += dump_json(row) + "\n";
      write_file_atomic(path("data/" + name), lines);
    }
  }

  // The rows of one metric, one for each model.
  static std::vector<Json> rows_of(const Json& results, const std::string& metric) {
    std::vector<Json> rows;
    for (const Json& row : results.at("rows"))
      if (row.at("metric") == metric) rows.push_back(row);
    return rows;
  }

  void write_bbh() const {
    for (const char* subtask : {"first", "second"}) {
      const std::string folder = std::string("data/bbh/") + subtask;
      write_file_atomic(path(folder + "/test.jsonl"), R"({"input": "1 + 1 is", "target": "2"})"
                                                      "\n");
      write_file_atomic(path(folder + "/shots.jsonl"), R"({"input": "2", "target": "So the answer is 2."})"
                                                       "\n");
      write_file_atomic(path(folder + "/description.txt"), "Add.\n\n");
    }
  }
};

TEST_F(EvalTasks, AllGivesEveryTaskAndTheirMean) {
  write_bbh();
  const test::ProgramResult result =
      run("eval all " + base() + " --shots 1 --max-new-tokens 2 --data " + arg("data"));
  ASSERT_EQ(result.status, 0) << result.err;
  const Json results = Json::parse(result.out);
  const Json mean = rows_of(results, "mean").at(0);
  EXPECT_EQ(mean.at("per_task").size(), 9u);
  double sum = 0;
  for (const auto& [task, value] : mean.at("per_task").items()) {
    sum += value.get<double>();
    EXPECT_NE(result.err.find("\n" + task + " "), std::string::npos) << task;  // a line of the table
  }
  EXPECT_NEAR(mean.at("value").get<double>(), sum / 9, 1e-12);
  const Json acc = rows_of(results, "acc").at(0), norm = rows_of(results, "acc_norm").at(0);
  EXPECT_EQ(acc.at("n"), 8 * 8);
  EXPECT_EQ(acc.at("per_task").size(), 9u);  // MMLU's two subjects stand for themselves
  EXPECT_EQ(mean.at("per_task").at("boolq"), acc.at("per_task").at("boolq"));
  EXPECT_EQ(mean.at("per_task").at("piqa"), norm.at("per_task").at("piqa"));
  EXPECT_EQ(rows_of(results, "exact_match").at(0).at("per_task").size(), 2u);
}

TEST_F(EvalTasks, SamplesAreWrittenQuestionByQuestion) {
  run_ok("eval piqa,winogrande " + base() + " --limit 3 --data " + arg("data") + " --out " + arg("r.json") +
         " --out-samples " + arg("samples.jsonl"));
  const std::vector<Json> samples = test::json_lines_of(test::content(path("samples.jsonl")));
  ASSERT_EQ(samples.size(), 6u);
  const Json golden = read_json_file(test::golden_path("lm_eval.json"));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(samples[i].at("task"), "piqa");
    const Json& expected = golden.at("tasks").at("piqa").at("logprobs").at(i);
    EXPECT_NEAR(samples[i].at("logprobs").at(0).get<double>(), expected.at(0).get<double>(), 1e-3);
    EXPECT_EQ(samples[3 + i].at("chosen").size(), 1u);  // winogrande has acc alone
  }
}

TEST_F(EvalTasks, MissingDataIsNamedForEveryTask) {
  std::filesystem::remove_all(path("data/piqa"));
  std::filesystem::remove_all(path("data/hellaswag"));
  const test::ProgramResult result = run("eval piqa,boolq,hellaswag " + base() + " --data " + arg("data"));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("task 'piqa': no data under"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("the hub's data set Rowan/hellaswag"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("2 of 3 tasks cannot be read"), std::string::npos) << result.err;
  EXPECT_EQ(result.out, "");
}

// 128 positions cannot hold 1024 new tokens.
TEST_F(EvalTasks, AFailedTaskIsNamedAndTheOthersAreWritten) {
  write_bbh();
  const test::ProgramResult result = run("eval bbh,boolq " + base() + " --shots 0 --data " + arg("data"));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("tasks that failed: bbh"), std::string::npos) << result.err;
  const Json results = Json::parse(result.out);
  ASSERT_EQ(results.at("rows").size(), 1u);  // no mean
  EXPECT_EQ(results.at("rows")[0].at("per_task").begin().key(), "boolq");
}

TEST_F(EvalTasks, ADefinitionOfOnesOwnNeedsNoCompiler) {
  write_file_atomic(path("mine.json"),
                    R"({"name": "mine", "split": "test", "prompt": "{q}", "choices": ["a", "b"],
    "gold": "label", "metrics": ["acc"], "main_metric": "acc"})");
  write_file_atomic(path("rows.jsonl"), R"({"q": "x", "label": 0})"
                                        "\n"
                                        R"({"q": "x", "label": 1})"
                                        "\n");
  const Json results =
      Json::parse(run_ok("eval " + arg("mine.json") + " " + base() + " --data " + arg("rows.jsonl")));
  ASSERT_EQ(results.at("rows").size(), 1u);
  EXPECT_EQ(results.at("rows")[0].at("value"), 0.5);
  EXPECT_EQ(results.at("rows")[0].at("per_task").at("mine"), 0.5);
}

TEST_F(EvalTasks, HelpNamesEveryTask) {
  const std::string help = run_ok("eval --help");
  for (const auto& entry : std::filesystem::directory_iterator(test::source_directory() / "tasks"))
    EXPECT_NE(help.find(entry.path().stem().string()), std::string::npos) << entry.path();
}

TEST_F(EvalTasks, UsageIsChecked) {
  EXPECT_EQ(run("eval").status, 2);
  EXPECT_EQ(run("eval boolq").status, 2);
  EXPECT_EQ(run("eval boolq " + base()).status, 2);
  const test::ProgramResult stray = run("eval arc-easy " + base() + " --shots 2 --data " + arg("rows.jsonl"));
  EXPECT_EQ(stray.status, 2);
  EXPECT_NE(stray.err.find("--shots: does not go with eval arc-easy"), std::string::npos) << stray.err;
  EXPECT_EQ(run("eval rouge " + base() + " more --data " + arg("tasks.jsonl")).status, 2);
  const test::ProgramResult unknown = run("eval bolq " + base() + " --data " + arg("data"));
  EXPECT_EQ(unknown.status, 1);
  EXPECT_NE(unknown.err.find("unknown task 'bolq' (did you mean 'boolq'"), std::string::npos) << unknown.err;
}

}  // namespace
}  // namespace quiver
