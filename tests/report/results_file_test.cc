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
}

TEST(Version, IsTheProjects) {
  const std::string project = read_file(test::source_directory() / "CMakeLists.txt", 1 << 20);
  EXPECT_NE(project.find("project(quiver VERSION " + std::string(kVersion) + " "), std::string::npos);
}

}  // namespace
}  // namespace quiver
