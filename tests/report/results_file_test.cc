#include <gtest/gtest.h>

#include <limits>

#include "core/json.h"
#include "quiver/report.h"
#include "quiver/version.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::ScratchDirectory;

ResultRow arrow_row() {
  return {.name = "arrow_mbc",
          .library = "local://experts",
          .router = "arrow",
          .combine = "parameter",
          .top_k = 2,
          .metric = "rougeL",
          .value = 41.5,
          .n = 60,
          .per_task = {{"text_last", 50}, {"fact_colour", 30}},
          .seconds = 12.5,
          .tokens = 800};
}

// A file as cli.md shows it, written by hand.
Json file_with(const Json& row_changes) {
  Json row = Json::parse(R"({"name": "arrow_mbc", "library": "local://experts", "router": "arrow",
    "combine": "parameter", "top_k": 2, "metric": "rougeL", "value": 41.5, "n": 60,
    "per_task": {"text_last": 50, "fact_colour": 30}, "seconds": 12.5, "tokens": 800})");
  row.merge_patch(row_changes);
  return {{"quiver", "0.1.0"}, {"machine", {{"cores", 2}}}, {"base", "smollm2-135m"}, {"rows", {row}}};
}

std::string read_error(const ScratchDirectory& scratch, const std::string& content) {
  write_file_atomic(scratch / "results.json", content);
  const std::string message = error_message([&] { read_results(scratch / "results.json"); });
  const std::string where = (scratch / "results.json").string() + ": ";
  EXPECT_EQ(message.substr(0, where.size()), where);
  return message.substr(std::min(where.size(), message.size()));
}

TEST(ResultsFile, KnowsTheMetricsOfBenchmarks) {
  const ScratchDirectory scratch;
  for (const char* metric : {"acc", "acc_norm", "mttl", "exact_match", "mean"}) {
    ResultRow row = arrow_row();
    row.metric = metric;
    row.value = 0.25;
    row.per_task = {{"piqa", 0.25}};
    write_results({.base = "b", .machine = {{"cores", 2}}, .rows = {row}}, scratch / "results.json");
    EXPECT_EQ(read_results(scratch / "results.json").rows.at(0).metric, metric);
    row.value = 1.5;
    EXPECT_NE(
        error_message([&] {
          write_results({.base = "b", .machine = {{"cores", 2}}, .rows = {row}}, scratch / "results.json");
        }).find("'value' must lie between 0 and 1"),
        std::string::npos);
  }
}

TEST(ResultsFile, WritesTheDocumentedForm) {
  const ScratchDirectory scratch;
  write_results({.base = "smollm2-135m", .machine = {{"cores", 2}}, .rows = {arrow_row()}},
                scratch / "results.json");
  EXPECT_EQ(read_json_file(scratch / "results.json"), file_with(Json::object()));
}

TEST(ResultsFile, DescribesThisMachineAndVersionByDefault) {
  const ScratchDirectory scratch;
  write_results({.base = "b", .rows = {}}, scratch / "results.json");
  const Results read = read_results(scratch / "results.json");
  EXPECT_EQ(read.version, kVersion);
  for (const char* key : {"cpu", "cores", "memory_bytes", "os", "compiler"}) {
    EXPECT_TRUE(read.machine.contains(key)) << key;
  }
  EXPECT_GT(read.machine.at("memory_bytes").get<std::uint64_t>(), 1u << 20);
  EXPECT_GE(read.machine.at("cores").get<int>(), 1);
}

TEST(ResultsFile, ReadsEveryField) {
  const ScratchDirectory scratch;
  write_file_atomic(scratch / "results.json", file_with(Json::object()).dump());
  const Results read = read_results(scratch / "results.json");
  EXPECT_EQ(read.base, "smollm2-135m");
  ASSERT_EQ(read.rows.size(), 1u);
  const ResultRow& row = read.rows[0];
  const ResultRow expected = arrow_row();
  EXPECT_EQ(row.name, expected.name);
  EXPECT_EQ(row.library, expected.library);
  EXPECT_EQ(row.router, expected.router);
  EXPECT_EQ(row.combine, expected.combine);
  EXPECT_EQ(row.top_k, expected.top_k);
  EXPECT_EQ(row.metric, expected.metric);
  EXPECT_EQ(row.value, expected.value);
  EXPECT_EQ(row.n, expected.n);
  EXPECT_EQ(row.per_task, expected.per_task);
  EXPECT_EQ(row.seconds, expected.seconds);
  EXPECT_EQ(row.tokens, expected.tokens);
  EXPECT_EQ(task_mean(row), 40);
  EXPECT_EQ(task_mean(ResultRow{}), std::nullopt);
}

TEST(ResultsFile, RefusesHostileRowsNamingRowAndKey) {
  const ScratchDirectory scratch;
  const auto error = [&](const Json& changes) { return read_error(scratch, file_with(changes).dump()); };
  EXPECT_EQ(error({{"valeu", 1}}), "row 0: unknown key \"valeu\" | did you mean 'value'?");
  EXPECT_EQ(error({{"value", nullptr}}), "row 0: 'value' is missing");
  EXPECT_EQ(error({{"value", "41"}}), "row 0: 'value' must be a number but is \"41\"");
  EXPECT_EQ(error({{"value", 100.5}}),
            "row 0: 'value' must lie between 0 and 100 for rougeL but is 100.500000");
  EXPECT_EQ(error({{"metric", "acc"}}), "row 0: 'value' must lie between 0 and 1 for acc but is 41.500000");
  EXPECT_EQ(error({{"metric", "bleu"}}),
            "row 0: unknown 'metric' \"bleu\" | it is one of rougeL, acc, acc_norm, mttl, exact_match, mean");
  EXPECT_EQ(error({{"n", 1.5}}), "row 0: 'n' must be a whole number, 0 or more, but is 1.5");
  EXPECT_EQ(error({{"tokens", -1}}), "row 0: 'tokens' must be a whole number, 0 or more, but is -1");
  EXPECT_EQ(error({{"tokens", std::numeric_limits<std::uint64_t>::max()}}),
            "row 0: 'tokens' must be a whole number, 0 or more, but is 18446744073709551615");
  EXPECT_EQ(error({{"top_k", 5'000'000'000}}), "row 0: 'top_k' is too large: 5000000000");
  EXPECT_EQ(error({{"name", ""}}), "row 0: 'name' is empty");
  EXPECT_EQ(error({{"router", 3}}), "row 0: 'router' must be text but is 3");
  EXPECT_EQ(error({{"combine", "sum"}}),
            "row 0: 'combine' must be \"output\", \"parameter\" or \"\" but is \"sum\"");
  EXPECT_EQ(error({{"per_task", "x"}}), "row 0: 'per_task' must be an object but is \"x\"");
  EXPECT_EQ(error({{"per_task", {{"a", true}}}}), "row 0: 'per_task.a' must be a number but is true");
  EXPECT_EQ(error({{"per_task", {{"a", -1}}}}),
            "row 0: 'per_task.a' must lie between 0 and 100 for rougeL but is -1.000000");
  EXPECT_EQ(error({{"seconds", -2}}), "row 0: 'seconds' must be 0 or more but is -2.000000");
}

ResultRow measured_row() {
  ResultRow row = arrow_row();
  row.share_of_oracle = {0.75, 0.5, 1.25};
  row.routing = {.accuracy = 0.9,
                 .expert_p = 0.8,
                 .entropy = 1.5,
                 .abstained = 0.25,
                 .weights = {{"text_last", {{"words", 0.5}, {"facts", 0.25}}}, {"fact_colour", {}}}};
  return row;
}

Json measures_json() {
  return Json::parse(R"({"share_of_oracle": 0.75, "share_low": 0.5, "share_high": 1.25,
    "routing": {"accuracy": 0.9, "expert_p": 0.8, "entropy": 1.5, "abstained": 0.25,
                "weights": {"text_last": {"words": 0.5, "facts": 0.25}, "fact_colour": {}}}})");
}

TEST(ResultsFile, KeepsMeasures) {
  const ScratchDirectory scratch;
  const Results results = {.base = "smollm2-135m", .machine = {{"cores", 2}}, .rows = {measured_row()}};
  write_results(results, scratch / "results.json");
  EXPECT_EQ(read_json_file(scratch / "results.json"), file_with(measures_json()));
  const ResultRow read = read_results(scratch / "results.json").rows.at(0);
  EXPECT_EQ(read.share_of_oracle->value, 0.75);
  EXPECT_EQ(read.share_of_oracle->low, 0.5);
  EXPECT_EQ(read.share_of_oracle->high, 1.25);
  EXPECT_EQ(read.routing->accuracy, 0.9);
  EXPECT_EQ(read.routing->expert_p, 0.8);
  EXPECT_EQ(read.routing->entropy, 1.5);
  EXPECT_EQ(read.routing->abstained, 0.25);
  EXPECT_EQ(read.routing->weights, measured_row().routing->weights);
}

TEST(ResultsFile, KeepsSamples) {
  const ScratchDirectory scratch;
  const Sample sample = {"text_last",
                         "Last of a b:\n\"",
                         "b",
                         {{.row = 1, .text = "b", .score = 100, .tokens = {{"Last", "words"}, {" of", ""}}},
                          {.row = 0, .text = "a", .score = 0}}};
  const Results results = {.base = "b",
                           .machine = {{"cores", 2}},
                           .rows = {arrow_row(), arrow_row()},
                           .samples = {sample, sample}};
  write_results(results, scratch / "results.json");
  const Json written = read_json_file(scratch / "results.json").at("samples");
  const Json expected = Json::parse(R"({"task": "text_last", "prompt": "Last of a b:\n\"", "target": "b",
    "answers": [{"row": 1, "text": "b", "score": 100.0, "tokens": [["Last", "words"], [" of", ""]]},
                {"row": 0, "text": "a", "score": 0.0}]})");
  EXPECT_EQ(written, Json::array({expected, expected}));
  const std::vector<Sample> read = read_results(scratch / "results.json").samples;
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1].prompt, sample.prompt);
  EXPECT_EQ(read[1].answers.at(0).row, 1u);
  EXPECT_EQ(read[1].answers.at(0).tokens, sample.answers[0].tokens);
  EXPECT_EQ(read[1].answers.at(1).text, "a");
}

TEST(ResultsFile, RefusesHostileMeasures) {
  const ScratchDirectory scratch;
  const auto error = [&](const Json& changes) {
    Json all = measures_json();
    all.merge_patch(changes);
    return read_error(scratch, file_with(all).dump());
  };
  const auto routing = [&](const Json& changes) { return error({{"routing", changes}}); };
  EXPECT_EQ(error({{"share_low", nullptr}}),
            "row 0: 'share_of_oracle', 'share_low' and 'share_high' go together");
  EXPECT_EQ(error({{"share_low", 2}}), "row 0: 'share_low' is above 'share_high'");
  EXPECT_EQ(error({{"share_high", "x"}}), "row 0: 'share_high' must be a number but is \"x\"");
  EXPECT_EQ(error({{"share_high", 1e308}}).substr(0, 69),
            "row 0: 'share_high' must lie between -1000000000.0 and 1000000000.0 b");
  EXPECT_EQ(error({{"routing", 3}}), "row 0: 'routing' must be an object but is 3");
  EXPECT_EQ(routing({{"abstained", nullptr}}), "row 0: 'abstained' is missing");
  EXPECT_EQ(routing({{"acuracy", 1}}), "row 0: unknown key \"acuracy\" | did you mean 'accuracy'?");
  EXPECT_EQ(routing({{"accuracy", 1.5}}),
            "row 0: 'routing.accuracy' must lie between 0.0 and 1.0 but is 1.500000");
  EXPECT_EQ(routing({{"entropy", -1}}),
            "row 0: 'routing.entropy' must lie between 0.0 and 50.0 but is -1.000000");
  EXPECT_EQ(routing({{"weights", 1}}), "row 0: 'weights' must be an object but is 1");
  EXPECT_EQ(routing({{"weights", {{"a", 1}}}}), "row 0: 'routing.weights.a' must be an object but is 1");
  EXPECT_EQ(routing({{"weights", {{"a", {{"b", "x"}}}}}}),
            "row 0: 'routing.weights.a.b' must be a number but is \"x\"");
  EXPECT_EQ(routing({{"weights", {{"a", {{"b", 0.75}, {"c", 0.75}}}}}}),
            "row 0: the weights of 'routing.weights.a' sum to 1.500000, which is more than 1");
}

TEST(ResultsFile, RefusesHostileSamples) {
  const ScratchDirectory scratch;
  const auto error = [&](const Json& samples) {
    Json file = file_with(Json::object());
    file["samples"] = samples;
    return read_error(scratch, file.dump());
  };
  const auto answer_error = [&](const Json& changes) {
    Json answer = {{"row", 0}, {"text", "b"}, {"score", 50}};
    answer.merge_patch(changes);
    return error(
        Json::array({{{"task", "t"}, {"prompt", "p"}, {"target", "b"}, {"answers", Json::array({answer})}}}));
  };
  EXPECT_EQ(error(1), "'samples' must be an array but is 1");
  EXPECT_EQ(error(Json::array({1})), "sample 0: expected an object, got 1");
  EXPECT_EQ(error(Json::array({Json::object()})), "sample 0: 'task' is missing");
  EXPECT_EQ(answer_error({{"row", 1}}), "sample 0: an answer belongs to row 1 of 1");
  EXPECT_EQ(answer_error({{"score", 101}}),
            "sample 0: 'score' must lie between 0.0 and 100.0 but is 101.000000");
  EXPECT_EQ(answer_error({{"tokens", {1}}}), "sample 0: a token must be [text, expert] but is 1");
  EXPECT_EQ(answer_error({{"tokens", Json::array({Json::array({"a", 2})})}}),
            "sample 0: a token must be [text, expert] but is [\"a\",2]");
  EXPECT_EQ(answer_error({{"txet", "b"}}), "sample 0: unknown key \"txet\" | did you mean 'text'?");
}

TEST(ResultsFile, RefusesHostileFiles) {
  const ScratchDirectory scratch;
  Json file = file_with(Json::object());
  file.erase("machine");
  EXPECT_EQ(read_error(scratch, file.dump()), "'machine' is missing");
  file["machine"] = 7;
  EXPECT_EQ(read_error(scratch, file.dump()), "'machine' must be an object but is 7");
  file["machine"] = Json::object();
  file["rows"] = "none";
  EXPECT_EQ(read_error(scratch, file.dump()), "'rows' must be an array but is \"none\"");
  file["rows"] = {1};
  EXPECT_EQ(read_error(scratch, file.dump()), "row 0: expected an object, got 1");
  EXPECT_EQ(read_error(scratch, "[]"), "expected an object, got []");
  EXPECT_NE(read_error(scratch, "{\"quiver\": ").find("not valid JSON"), std::string::npos);
}

TEST(ResultsFile, WritesNothingThatItWouldNotRead) {
  const ScratchDirectory scratch;
  ResultRow row = arrow_row();
  row.value = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(error_message([&] { write_results({.base = "b", .rows = {row}}, scratch / "results.json"); }),
            "result row 0 \"arrow_mbc\": 'value' must lie between 0 and 100 for rougeL but is nan");
  EXPECT_FALSE(std::filesystem::exists(scratch / "results.json"));
  row = measured_row();
  row.routing->weights["text_last"]["more"] = 0.5;
  EXPECT_EQ(
      error_message([&] { results_text({.base = "b", .rows = {row}}); }),
      "result row 0 \"arrow_mbc\": the weights of 'routing.weights.text_last' sum to 1.250000, which is "
      "more than 1");
  const Sample sample = {.task = "t", .answers = {{.row = 1}}};
  EXPECT_EQ(error_message([&] { results_text({.base = "b", .rows = {arrow_row()}, .samples = {sample}}); }),
            "sample 0: an answer belongs to row 1 of 1");
}

TEST(Version, IsTheProjects) {
  const std::string project = read_file(test::source_directory() / "CMakeLists.txt", 1 << 20);
  EXPECT_NE(project.find("project(quiver VERSION " + std::string(kVersion) + " "), std::string::npos);
}

}  // namespace
}  // namespace quiver
