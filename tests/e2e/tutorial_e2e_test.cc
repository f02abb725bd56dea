// `quiver tutorial`: the whole chain in one folder.

#include <algorithm>
#include <map>

#include "e2e/program_test.h"

namespace quiver {
namespace {

class TutorialCommand : public test::ProgramTest {
 protected:
  Json tutorial() const {
    Json settings = experiment();
    for (const char* place : {"library_id", "output_dir"}) settings.erase(place);
    settings["total_steps"] = 6;
    Json choices = {
        {"id", "q"},
        {"question",
         {{"stem", "Which is a colour?"},
          {"choices", {{{"text", "blue"}, {"label", "A"}}, {{"text", "seven"}, {"label", "B"}}}}}},
        {"answerKey", "A"}};
    write_file_atomic(path("questions.jsonl"), dump_json(choices) + "\n");
    return {
        {"experiment", settings},
        {"cluster_experiment", {{"total_steps", 4}}},
        {"clusters", {{"k", 2}, {"sparsity", 0.2}}},
        {"phatgoose", {{"n_steps", 2}}},
        {"rouge",
         {{"routers", {"base", "oracle", "uniform", "arrow", "phatgoose"}},
          {"top_k", 2},
          {"max_new_tokens", 3}}},
        {"choices",
         {{"data", path("questions.jsonl").string()}, {"task", "colours"}, {"routers", {"base", "arrow"}}}}};
  }

  // When every file of the run was last written.
  std::map<std::string, std::filesystem::file_time_type> times() const {
    std::map<std::string, std::filesystem::file_time_type> result;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path("out")))
      if (entry.is_regular_file()) result[entry.path().string()] = entry.last_write_time();
    return result;
  }
};

TEST_F(TutorialCommand, RunsTheChainAndRepeatsNothing) {
  const std::string command = "tutorial " + config_option(tutorial()) + " --out " + arg("out");
  run_ok(command);
  EXPECT_EQ(run_ok("library ls " + arg("out/library")), "colour\nnumber\ntaste\n");
  EXPECT_EQ(run_ok("library ls " + arg("out/library_mbc")), "cluster_0\ncluster_1\n");
  const Json rows = Json::parse(test::content(path("out/results.json"))).at("rows");
  std::vector<std::string> names;
  for (const Json& row : rows) {
    names.push_back(row.at("metric").get<std::string>() + " " + row.at("name").get<std::string>());
    EXPECT_EQ(row.at("n"), row.at("metric") == "rougeL" ? 9 : 1);
  }
  EXPECT_EQ(std::count(names.begin(), names.end(), "rougeL base"), 1);
  for (const char* router : {"oracle", "uniform", "arrow", "phatgoose"}) {
    EXPECT_EQ(std::count(names.begin(), names.end(), "rougeL " + std::string(router)), 1) << router;
    EXPECT_EQ(std::count(names.begin(), names.end(), "rougeL " + std::string(router) + "_mbc"), 1) << router;
  }
  EXPECT_EQ(std::count(names.begin(), names.end(), "acc arrow_mbc"), 1);
  EXPECT_EQ(rows.size(), 9u + 3u * 3u);
  for (const Json& row : rows) EXPECT_EQ(row.contains("routing"), row.at("router") != "base") << row;
  const std::string page = test::content(path("out/report.html"));
  for (const char* heading : {"Where the routers sent the prompts", "Task by task", "Prompts and answers"})
    EXPECT_NE(page.find(heading), std::string::npos) << heading;
  for (const char* chart :
       {"rouge.svg", "rouge.png", "accuracy.svg", "accuracy.png", "routing.svg", "routing.png"})
    EXPECT_TRUE(std::filesystem::exists(path("out") / chart)) << chart;

  const auto before = times();
  run_ok(command);
  EXPECT_EQ(Json::parse(test::content(path("out/results.json"))).at("rows"), rows);
  for (const auto& [file, time] : times()) {
    const std::string name = std::filesystem::path(file).filename().string();
    const bool result_of_last_step = name == "results.json" || name == "report.html" ||
                                     name == "settings.json" || name.ends_with(".svg") ||
                                     name.ends_with(".png");
    if (result_of_last_step) continue;
    ASSERT_TRUE(before.contains(file)) << file;
    EXPECT_EQ(time, before.at(file)) << file;
  }

  const test::ProgramResult other = run(command + " -k total_steps=7");
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("holds a run with other settings"), std::string::npos) << other.err;
}

// 0.1.0 knew no shared_start: its settings lack the key, and all its experts start from one A.
TEST_F(TutorialCommand, ARunOfAnEarlierVersionGoesOnWithItsSharedStarts) {
  Json config = tutorial();
  config.erase("choices");
  config["rouge"]["routers"] = {"base"};
  const std::string command = "tutorial " + config_option(config) + " --out " + arg("out");
  run_ok(command);
  const auto shared_start_of = [&](const std::string& expert) {
    return Json::parse(run_ok("library show " + arg("out/library") + " " + expert))
        .at("training")
        .at("shared_start");
  };
  EXPECT_EQ(shared_start_of("taste"), false);
  Json settings = Json::parse(test::content(path("out/settings.json")));
  for (const char* part : {"experiment", "cluster_experiment"})
    ASSERT_EQ(settings.at(part).erase("shared_start"), 1U);
  write_file_atomic(path("out/settings.json"), dump_json(settings, 1) + "\n");
  run_ok("library rm " + arg("out/library") + " taste");
  run_ok(command);
  EXPECT_EQ(shared_start_of("taste"), true);
  EXPECT_EQ(shared_start_of("colour"), false);
  EXPECT_EQ(Json::parse(test::content(path("out/settings.json"))), settings);
}

TEST_F(TutorialCommand, AnUnknownKeyIsAnErrorWithTheNearest) {
  Json config = tutorial();
  config["rouge"]["router"] = "arrow";
  const test::ProgramResult result = run("tutorial " + config_option(config) + " --out " + arg("out"));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("unknown key 'router' (did you mean 'routers'?)"), std::string::npos)
      << result.err;
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

}  // namespace
}  // namespace quiver
