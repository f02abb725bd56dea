// `quiver eval`, `quiver plot` and `quiver report`.

#include "e2e/program_test.h"

namespace quiver {
namespace {

const std::vector<std::string> kStems = {"What is the sea?", "What is a week?", "What is the sky?",
                                         "What is a dwarf?"};

// The stems in ARC's format; the first and the third are answered by the first choice, the others by the
// second.
std::string questions() {
  std::string text;
  for (std::size_t i = 0; i < kStems.size(); ++i) {
    Json choices = Json::array();
    for (const char* word : {"blue", "seven", "sweet"})
      choices.push_back({{"text", word}, {"label", std::string(1, "ABC"[choices.size()])}});
    const Json question = {{"stem", kStems[i]}, {"choices", choices}};
    const Json line = {{"id", kStems[i]}, {"question", question}, {"answerKey", i % 2 == 0 ? "A" : "B"}};
    text += dump_json(line) + "\n";
  }
  return text;
}

// A task of choices on the words that the experts were trained on.
void write_choice_task(const std::filesystem::path& folder, const std::string& task, int label) {
  write_file_atomic(folder / (task + ".json"), dump_json({{"name", task},
                                                          {"split", "test"},
                                                          {"prompt", task + " of the {noun}:"},
                                                          {"choices", {"blue", "seven", "sweet"}},
                                                          {"gold", "label"},
                                                          {"metrics", {"acc"}},
                                                          {"main_metric", "acc"}}));
  std::string rows;
  for (const char* noun : {"sea", "sun", "ice", "oak", "fox", "hen"})
    rows += dump_json({{"noun", noun}, {"label", label}}) + "\n";
  write_file_atomic(folder / "data" / task / "test.jsonl", rows);
}

using Evaluate = test::ProgramTest;

TEST_F(Evaluate, SeveralRoutersOnOneLoadedBase) {
  train("colour,taste");
  run_ok("prototypes arrow " + arg("library"));
  const std::string command = "eval rouge " + base() + " -c " + arg("config.json") + " --library " +
                              arg("library") +
                              " --tasks colour,taste --router base --router oracle,arrow --top-k 1";
  const Json results = Json::parse(run_ok(command));
  EXPECT_EQ(results.at("base"), test::golden_path("tiny_llama").string());
  const Json& rows = results.at("rows");
  ASSERT_EQ(rows.size(), 3u);
  const char* routers[] = {"base", "oracle", "arrow"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i].at("router"), routers[i]);
    EXPECT_EQ(rows[i].at("metric"), "rougeL");
    EXPECT_EQ(rows[i].at("n"), 6);  // three test rows of each task
    ASSERT_EQ(rows[i].at("per_task").size(), 2u);
    const double colour = rows[i].at("per_task").at("colour"), taste = rows[i].at("per_task").at("taste");
    EXPECT_NEAR(rows[i].at("value").get<double>(), (colour + taste) / 2, 1e-9);
    EXPECT_GE(rows[i].at("value"), 0);
    EXPECT_LE(rows[i].at("value"), 100);
  }
  // Oracle with the task's expert: what this expert alone gives.
  const Json single = Json::parse(run_ok("eval rouge " + base() + " --data " + arg("tasks.jsonl") +
                                         " --tasks colour --max-new-tokens 4 --library " + arg("library") +
                                         " --router expert:colour"));
  EXPECT_EQ(single.at("rows")[0].at("value"), rows[1].at("per_task").at("colour"));
}

// Of a long prompt a sample keeps the end, where the question stands, and no half characters.
TEST_F(Evaluate, ASampleKeepsTheEndOfALongPrompt) {
  std::string prompt;
  for (int i = 0; i < 1501; ++i) prompt += "\xE2\x82\xAC";  // three bytes each
  prompt += " what is asked:";
  write_file_atomic(
      path("long.jsonl"),
      dump_json({{"source", prompt}, {"target", "blue"}, {"task_name", "colour"}, {"split", "test"}}) + "\n");
  const Json results = Json::parse(
      run_ok("eval rouge " + base() + " --data " + arg("long.jsonl") + " --router base --max-new-tokens 2"));
  const auto kept = results.at("samples")[0].at("prompt").get<std::string>();
  EXPECT_LT(kept.size(), prompt.size());
  EXPECT_TRUE(prompt.ends_with(kept)) << kept;
  EXPECT_TRUE(kept.starts_with("\xE2\x82\xAC"));
}

TEST_F(Evaluate, AdaptTakesOneTaskByItsName) {
  train("colour,taste");
  const test::ProgramResult all = run("adapt " + arg("library") + " " + base() + " --data " +
                                      arg("tasks.jsonl") + " --task all --shots 2 --name joined");
  EXPECT_EQ(all.status, 1);
  EXPECT_NE(all.err.find("'all'"), std::string::npos) << all.err;
}

TEST_F(Evaluate, TextsComeWithADozenSamples) {
  train("colour,taste");
  const std::string command = "eval rouge " + base() + " --data " + arg("tasks.jsonl") + " --library " +
                              arg("library") + " --max-new-tokens 4 --split train --tasks colour,taste";
  const Json results = Json::parse(run_ok(command + " --router base,oracle"));
  const Json& samples = results.at("samples");
  ASSERT_EQ(samples.size(), 12u);  // of 24 rows
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(samples[i].at("task"), i < 6 ? "colour" : "taste");
    EXPECT_EQ(samples[i].at("target"), i < 6 ? "blue" : "sweet");
    ASSERT_EQ(samples[i].at("answers").size(), 2u);
    for (std::size_t row = 0; row < 2; ++row) EXPECT_EQ(samples[i].at("answers")[row].at("row"), row);
  }
  // The tokens are the prompt, all of the oracle's expert.
  std::string prompt;
  for (const Json& token : samples[7].at("answers")[1].at("tokens")) {
    prompt += token[0].get<std::string>();
    EXPECT_EQ(token[1], "taste");
  }
  EXPECT_EQ(prompt, "taste of the sun:");
  EXPECT_FALSE(samples[7].at("answers")[0].contains("tokens"));
  const Json& routing = results.at("rows")[1].at("routing");
  EXPECT_EQ(routing.at("accuracy"), 1);
  EXPECT_EQ(routing.at("weights").at("colour"), Json({{"colour", 1.0}}));
  EXPECT_FALSE(results.at("rows")[0].contains("routing"));
  EXPECT_EQ(samples[0].at("prompt"), "colour of the sea:");
  EXPECT_EQ(samples[7].at("prompt"), "taste of the sun:");
  // The answer is what `generate` writes, its broken UTF-8 repaired.
  const std::string alone = run_ok("generate " + base() + " --library " + arg("library") +
                                   " --router expert:taste --max-new-tokens 4 --prompt 'taste of the sun:'");
  EXPECT_EQ(samples[7].at("answers")[1].at("text").get<std::string>() + "\n",
            Json::parse(dump_json(alone)).get<std::string>());
}

TEST_F(Evaluate, OwnExpertsCanBeLeftOut) {
  train("colour,taste");
  const std::string command = " " + base() + " --library " + arg("library") + " --exclude-own";
  const std::string rouge =
      command + " --data " + arg("tasks.jsonl") + " --max-new-tokens 4 --tasks colour,taste";
  const Json rows = Json::parse(run_ok("eval rouge" + rouge + " --router oracle,uniform")).at("rows");
  EXPECT_EQ(rows[0].at("routing").at("accuracy"), 1);
  EXPECT_EQ(rows[1].at("routing").at("weights"),
            Json({{"colour", {{"taste", 1.0}}}, {"taste", {{"colour", 1.0}}}}));
  EXPECT_FALSE(rows[1].at("routing").contains("accuracy"));

  write_choice_task(path(""), "colour", 0);
  const std::string choices =
      "eval " + arg("colour.json") + command + " --data " + arg("data") + " --router ";
  EXPECT_EQ(Json::parse(run_ok(choices + "uniform")).at("rows")[0].at("routing").at("weights"),
            Json({{"colour", {{"taste", 1.0}}}}));
  run_ok("library rm " + arg("library") + " taste");
  const test::ProgramResult alone = run(choices + "uniform");
  EXPECT_EQ(alone.status, 1);
  EXPECT_NE(alone.err.find("'colour' is the only expert"), std::string::npos) << alone.err;
}

TEST_F(Evaluate, LimitAndSplitChooseTheRows) {
  const Json train = Json::parse(run_ok("eval rouge " + base() + " --data " + arg("tasks.jsonl") +
                                        " --split train --limit 5 --max-new-tokens 2"));
  EXPECT_EQ(train.at("rows")[0].at("n"), 5);
  const Json validation = Json::parse(run_ok("eval rouge " + base() + " --data " + arg("tasks.jsonl") +
                                             " --split validation --max-new-tokens 2"));
  EXPECT_EQ(validation.at("rows")[0].at("n"), 6);
  const test::ProgramResult unknown =
      run("eval rouge " + base() + " --data " + arg("tasks.jsonl") + " --split tset");
  EXPECT_EQ(unknown.status, 2);
}

TEST_F(Evaluate, MultipleChoiceIsTheBestScoredChoice) {
  write_file_atomic(path("questions.jsonl"), questions());
  const Json results = Json::parse(run_ok("eval arc-easy " + base() + " --data " + arg("questions.jsonl")));
  ASSERT_EQ(results.at("rows").size(), 3u);
  EXPECT_EQ(results.at("rows")[0].at("metric"), "acc");
  EXPECT_EQ(results.at("rows")[0].at("n"), 4);
  EXPECT_EQ(results.at("rows")[0].at("per_task").size(), 1u);

  // The same from `score`: the choice with the largest log-probability.
  std::string texts;
  for (const std::string& stem : kStems) {
    for (const char* word : {" blue", " seven", " sweet"})
      texts += dump_json({{"prompt", "Question: " + stem + "\nAnswer:"}, {"completion", word}}) + "\n";
  }
  write_file_atomic(path("texts.jsonl"), texts);
  const std::vector<Json> scored =
      test::json_lines_of(run_ok("score " + base() + " --input " + arg("texts.jsonl")));
  ASSERT_EQ(scored.size(), 12u);
  int right = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    std::size_t best = 0;
    for (std::size_t c = 1; c < 3; ++c)
      if (scored[3 * i + c].at("logprob") > scored[3 * i + best].at("logprob")) best = c;
    right += best == i % 2;
  }
  EXPECT_EQ(results.at("rows")[0].at("value"), right / 4.0);

  const Json limited =
      Json::parse(run_ok("eval arc-challenge " + base() + " --limit 3 --data " + arg("questions.jsonl")));
  EXPECT_EQ(limited.at("rows")[0].at("n"), 3);
}

TEST_F(Evaluate, ShareOfTheOracleIsThatOfTheScores) {
  train("colour,taste");
  write_choice_task(path(""), "colour", 0);
  write_choice_task(path(""), "taste", 2);
  const Json results = Json::parse(run_ok("eval " + arg("colour.json") + "," + arg("taste.json") + " " +
                                          base() + " --data " + arg("data") + " --library " + arg("library") +
                                          " --router base,oracle,expert:colour"));
  const Json& rows = results.at("rows");  // of each model acc and mean
  ASSERT_EQ(rows.size(), 6u);
  ASSERT_EQ(rows[0].at("value"), 0);
  ASSERT_EQ(rows[2].at("value"), 1);
  ASSERT_EQ(rows[4].at("value"), 0.5);  // the expert of one of two tasks
  EXPECT_EQ(rows[4].at("share_of_oracle"), 0.5);
  // Of twelve draws 3 to 9 are of its task with a probability of .96 (binomial).
  EXPECT_EQ(rows[4].at("share_low"), 0.25);
  EXPECT_EQ(rows[4].at("share_high"), 0.75);
  for (const std::size_t other : {0u, 1u, 2u, 3u, 5u})
    EXPECT_FALSE(rows[other].contains("share_of_oracle")) << other;
  ASSERT_EQ(results.at("samples").size(), 12u);
  const Json& sample = results.at("samples")[11];
  EXPECT_EQ(sample.at("prompt"), "taste of the hen:");
  EXPECT_EQ(sample.at("target"), "sweet");
  EXPECT_EQ(sample.at("answers")[1], Json({{"row", 2}, {"text", "sweet"}, {"score", 1}}));
  EXPECT_EQ(sample.at("answers")[2].at("row"), 4);
  EXPECT_EQ(sample.at("answers")[2].at("score"), 0);
}

TEST_F(Evaluate, PlotsAndAReport) {
  run_ok("eval rouge " + base() + " --data " + arg("tasks.jsonl") + " --limit 2 --max-new-tokens 2 --out " +
         arg("results.json"));
  run_ok("plot " + arg("results.json") + " --out " + arg("chart.svg"));
  run_ok("plot " + arg("results.json") + " --out " + arg("chart.png"));
  const std::string svg = test::content(path("chart.svg"));
  EXPECT_NE(svg.find("<svg"), std::string::npos);
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
  EXPECT_NE(svg.find("base"), std::string::npos);
  const std::string png = test::content(path("chart.png"));
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(png.substr(png.size() - 8, 4), "IEND");

  run_ok("report " + arg("results.json") + " " + arg("results.json") + " --out " + arg("report.html"));
  const std::string page = test::content(path("report.html"));
  EXPECT_NE(page.find("<section id=\"part1\">"), std::string::npos);
  EXPECT_EQ(run("report " + arg("results.json") + " --out " + arg("report.json")).status, 2);
  const test::ProgramResult missing =
      run("report " + arg("results.json") + " " + arg("none.json") + " --out " + arg("other.html"));
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("none.json"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("other.html")));

  const test::ProgramResult other = run("plot " + arg("results.json") + " --out " + arg("chart.gif"));
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.err.find("quiver: error: "), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("chart.gif")));
}

// A validation loss is measured by the training's own adapter, the oracle's Rouge-L by `eval`.
TEST_F(Evaluate, TransferGivesEachExpertOnEachTask) {
  train("colour,taste");
  const std::string command =
      "transfer " + arg("library") + " " + base() + " -c " + arg("config.json") + " --tasks colour,taste";
  run_ok(command + " --split validation --out " + arg("transfer.json"));
  const Json matrix = Json::parse(test::content(path("transfer.json")));
  EXPECT_EQ(matrix.at("tasks"), (Json{"colour", "taste"}));
  EXPECT_EQ(matrix.at("n"), (Json{2, 2}));
  EXPECT_EQ(matrix.at("split"), "validation");
  const Json& rows = matrix.at("rows");
  ASSERT_EQ(rows.size(), 3u);
  for (const std::size_t own : {0, 1}) {
    const Json& row = rows[own + 1];
    EXPECT_EQ(row.at("expert"), matrix.at("tasks")[own]);
    const Json shown =
        Json::parse(run_ok("library show " + arg("library") + " " + row.at("expert").get<std::string>()));
    EXPECT_NEAR(row.at("loss")[own], shown.at("metrics").at("validation_loss"), 1e-4);
    EXPECT_LT(row.at("loss")[own], rows[0].at("loss")[own]) << "better than the base on its own task";
    EXPECT_LT(row.at("loss")[own], rows[2 - own].at("loss")[own]) << "and than the other expert";
  }

  const Json limited = Json::parse(
      run_ok(command + " --limit 1 --experts taste --max-new-tokens 4 --picture " + arg("transfer.svg")));
  const std::string picture = test::content(path("transfer.svg"));
  for (const char* text : {">Rouge-L<", ">loss<", ">base alone<", ">colour<"})
    EXPECT_NE(picture.find(text), std::string::npos) << text;
  EXPECT_EQ(limited.at("n"), (Json{1, 1}));
  ASSERT_EQ(limited.at("rows").size(), 2u);
  const Json oracle =
      Json::parse(run_ok("eval rouge " + base() + " -c " + arg("config.json") + " --library " +
                         arg("library") + " --tasks taste --router oracle --limit 1"));
  EXPECT_EQ(limited.at("rows")[1].at("rougeL")[1], oracle.at("rows")[0].at("value"));

  const test::ProgramResult unknown = run(command + " --experts tast");
  EXPECT_EQ(unknown.status, 1);
  EXPECT_NE(unknown.err.find("did you mean 'taste'"), std::string::npos) << unknown.err;
}

}  // namespace
}  // namespace quiver
