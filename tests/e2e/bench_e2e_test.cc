// `quiver bench`: what its JSON files hold. The figures themselves mean nothing on a tiny model.

#include "e2e/program_test.h"

namespace quiver {
namespace {

class Bench : public test::ProgramTest {
 protected:
  // Runs one benchmark and returns its file.
  Json measure(const std::string& command) const {
    const std::string table = run_ok("bench " + command + " --out " + arg("bench.json"));
    const Json document = Json::parse(test::content(path("bench.json")));
    EXPECT_EQ(document.at("threads"), 1);
    EXPECT_EQ(document.at("command").get<std::string>().rfind("quiver --threads 1 bench ", 0), 0u);
    EXPECT_GT(document.at("machine").at("cores"), 0);
    EXPECT_GT(document.at("peak_memory_mib"), 0);
    for (const char* limit : {"gemm 2048x576x3072", "gemm 2048x2048x2048", "memory read"}) {
      EXPECT_GT(document.at("limits").at(limit).at("median"), 0) << limit;
      EXPECT_NE(table.find(limit), std::string::npos);
    }
    for (const Json& measurement : document.at("measurements")) {
      EXPECT_GT(measurement.at("min"), 0) << measurement;
      EXPECT_LE(measurement.at("min"), measurement.at("median"));
      EXPECT_LE(measurement.at("median"), measurement.at("max"));
      EXPECT_NE(table.find(measurement.at("name").get<std::string>()), std::string::npos);
    }
    return document;
  }

  static std::vector<std::string> names(const Json& document) {
    std::vector<std::string> result;
    for (const Json& measurement : document.at("measurements")) result.push_back(measurement.at("name"));
    return result;
  }
};

using Names = std::vector<std::string>;

TEST_F(Bench, TrainCountsTokensAndWritesThemForAPeer) {
  const Json document =
      measure("train " + base() + " --data " + arg("tasks.jsonl") +
              " --tasks colour --limit 5 --batch-size 2 --epochs 2 --dump-ids " + arg("ids.jsonl"));
  EXPECT_EQ(names(document), (Names{"epoch", "training", "useful work", "useful work, share of the limit"}));
  for (const Json& measurement : document.at("measurements")) EXPECT_EQ(measurement.at("n"), 2);
  const Json& quality = document.at("quality");
  std::size_t tokens = 0, targets = 0;
  const std::vector<Json> examples = test::json_lines_of(test::content(path("ids.jsonl")));
  for (const Json& example : examples) {
    tokens += example.at("ids").size();
    targets += example.at("ids").size() - example.at("target_begin").get<std::size_t>();
  }
  EXPECT_EQ(examples.size(), 5u);
  EXPECT_EQ(quality.at("tokens"), tokens);
  EXPECT_EQ(quality.at("target_tokens"), targets);
  EXPECT_EQ(quality.at("step_losses").size(), 6u);  // 3 steps an epoch
  EXPECT_LT(quality.at("loss_after"), quality.at("loss_before"));
}

TEST_F(Bench, TrainSeveralExpertsInBothWays) {
  const Json document =
      measure("train " + base() + " --data " + arg("tasks.jsonl") + " --limit 4 --experts 2 --epochs 1");
  EXPECT_EQ(names(document),
            (Names{"one after the other", "in one call", "in one call, against one after the other",
                   "peak memory, one after the other"}));
  EXPECT_EQ(document.at("quality").at("tasks"), (Names{"colour", "number"}));
  EXPECT_EQ(document.at("quality").at("last_loss, in one call"),
            document.at("quality").at("last_loss, one after the other"));
}

TEST_F(Bench, TrainGates) {
  const Json document = measure("train " + base() + " --data " + arg("tasks.jsonl") +
                                " --limit 4 --experts 2 --gates --gate-steps 3");
  EXPECT_EQ(names(document), (Names{"gates", "gate training"}));
  EXPECT_EQ(document.at("quality").at("experts"), 2);
  EXPECT_EQ(document.at("quality").at("steps"), 6);
}

TEST_F(Bench, GenerateMakesEveryTokenItWasAskedFor) {
  const Json document = measure("generate " + base() + " --data " + arg("tasks.jsonl") +
                                " --experts 3 --batch-size 2 --max-new-tokens 5 --repetitions 2"
                                " --router base,uniform,arrow");
  EXPECT_EQ(names(document),
            (Names{"prefill, base", "decode, base", "prefill, uniform, parameter",
                   "decode, uniform, parameter", "prefill, arrow, parameter", "decode, arrow, parameter",
                   "evaluation, all routers in one call", "evaluation, one router"}));
  for (const char* name : {"base", "uniform, parameter", "arrow, parameter"}) {
    ASSERT_EQ(document.at("quality").at("texts").at(name).size(), 2u);
    for (const Json& text : document.at("quality").at("texts").at(name)) {
      EXPECT_EQ(text.at("ids").size(), 5u);
      EXPECT_FALSE(text.at("prompt_ids").empty());
    }
  }
}

TEST_F(Bench, RouteComparesWithTheBase) {
  const Json document = measure("route " + base() + " --data " + arg("tasks.jsonl") +
                                " --experts 1,3 --sequences 2 --length 8 --repetitions 1");
  EXPECT_EQ(document.at("measurements").size(),
            2u * 2u * 4u * 2u);  // libraries, batches, models, time and ratio
  EXPECT_EQ(names(document)[1], "1 experts, arrow, output, 2x8 tokens, against base");
  EXPECT_EQ(document.at("quality").at("tokens").at("2x8 tokens"), 16);
  const test::ProgramResult short_data = run("bench route " + base() + " --data " + arg("tasks.jsonl"));
  EXPECT_EQ(short_data.status, 1);
  EXPECT_NE(short_data.err.find("fewer than 8x256 tokens (lower --sequences or --length)"),
            std::string::npos);
}

TEST_F(Bench, ArcGivesTheChoiceOfEveryQuestion) {
  std::string questions;
  for (const char* stem : {"What is the sea?", "What is a week?", "What is the sky?"}) {
    const Json choices = {{{"text", "blue"}, {"label", "A"}}, {{"text", "seven"}, {"label", "B"}}};
    const Json row = {{"id", stem}, {"question", {{"stem", stem}, {"choices", choices}}}, {"answerKey", "A"}};
    questions += dump_json(row) + "\n";
  }
  write_file_atomic(path("questions.jsonl"), questions);
  const Json document =
      measure("arc " + base() + " --data " + arg("questions.jsonl") + " --experts 2 --limit 2");
  EXPECT_EQ(names(document), (Names{"base", "arrow, parameter"}));
  const Json metric = document.at("quality").at("base").at("acc");
  ASSERT_EQ(metric.at("chosen").size(), 2u);
  std::size_t right = 0;
  for (const Json& choice : metric.at("chosen")) right += choice == 0 ? 1 : 0;
  EXPECT_EQ(metric.at("value"), static_cast<double>(right) / 2);
}

TEST_F(Bench, LibraryFindsTheGroupsItMade) {
  std::filesystem::create_directory(path("folder"));
  const Json document = measure("library --experts 9 --k 3 --dir " + arg("folder"));
  EXPECT_EQ(names(document),
            (Names{"make", "list", "list with what is known of each", "cluster", "arrow prototypes"}));
  EXPECT_EQ(document.at("quality").at("experts"), 9);
  EXPECT_EQ(document.at("quality").at("clusters"), 3);
  EXPECT_EQ(document.at("quality").at("purity"), 1);
  EXPECT_TRUE(std::filesystem::is_empty(path("folder")));
}

TEST_F(Bench, TooFewTasks) {
  const test::ProgramResult result =
      run("bench train " + base() + " --data " + arg("tasks.jsonl") + " --experts 4");
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("4 experts need as many tasks; there are 3"), std::string::npos);
}

}  // namespace
}  // namespace quiver
