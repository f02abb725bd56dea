// The artefact `statistics`: from `train`, and from `prototypes statistics`.

#include "e2e/program_test.h"

namespace quiver {
namespace {

class StatisticsCommand : public test::ProgramTest {
 protected:
  std::filesystem::path artefact(const std::string& expert) const {
    return path("library") / expert / "artefacts/statistics.safetensors";
  }

  // The lines of `output` that say how many were computed.
  static std::string computed(const std::string& output) {
    for (const std::string& line : test::lines_of(output)) {
      if (line.find("computed statistics") != std::string::npos) return line;
    }
    return output;
  }

  std::string compute(const std::string& options) const {
    const test::ProgramResult result = run("prototypes statistics " + arg("library") + " " + options);
    EXPECT_EQ(result.status, 0) << result.err;
    return computed(result.err);
  }

  std::string error(const std::string& options) const {
    const test::ProgramResult result = run("prototypes statistics " + arg("library") + " " + options);
    EXPECT_EQ(result.status, 1);
    return result.err;
  }
};

TEST_F(StatisticsCommand, TrainingMakesThemAndTheCommandFindsThem) {
  train("colour,taste");
  const std::string from_training = test::content(artefact("colour"));
  EXPECT_EQ(compute("-c " + arg("config.json")), "quiver: computed statistics of 0 experts");
  std::filesystem::remove(artefact("colour"));
  EXPECT_EQ(compute("-c " + arg("config.json")), "quiver: computed statistics of 1 experts");
  EXPECT_EQ(test::content(artefact("colour")), from_training);
  EXPECT_EQ(compute("-c " + arg("config.json") + " --recompute"), "quiver: computed statistics of 2 experts");
  EXPECT_EQ(test::content(artefact("colour")), from_training);
  EXPECT_EQ(compute("-c " + arg("config.json") + " --rows 4"), "quiver: computed statistics of 2 experts");
  EXPECT_LT(std::filesystem::file_size(artefact("colour")), from_training.size());
  EXPECT_EQ(compute("-c " + arg("config.json") + " -k statistics_rows=4"),
            "quiver: computed statistics of 0 experts");
  // Training again brings the config's own back and leaves the weights' version out of it.
  config_option(experiment());
  run_ok("train --force -c " + arg("config.json") + " -k finetune_task_name=colour -k total_steps=3");
  EXPECT_EQ(test::content(artefact("colour")), from_training);
  EXPECT_EQ(run_ok("library verify " + arg("library")), "2 experts verified\n");
}

TEST_F(StatisticsCommand, ACalibrationLetsSpectralWeighItsScores) {
  train("colour,taste");
  const std::string generate = "generate " + base() + " --library " + arg("library") +
                               " --router spectral --calibrate yes --max-new-tokens 2 --prompt sky";
  const test::ProgramResult before = run(generate);
  EXPECT_EQ(before.status, 1);
  EXPECT_NE(before.err.find("expert 'colour' has no calibration in "), std::string::npos) << before.err;
  EXPECT_NE(before.err.find("quiver prototypes calibration "), std::string::npos) << before.err;
  run_ok("prototypes calibration " + arg("library") + " -c " + arg("config.json"));
  run_ok(generate);
}

TEST_F(StatisticsCommand, ResumingTrainingCompletesThem) {
  Json config = experiment();
  config["finetune_task_name"] = "colour,taste";
  config["statistics_rows"] = 0;
  run_ok("train " + config_option(config));
  EXPECT_FALSE(std::filesystem::exists(artefact("colour")));
  run_ok("train --resume -c " + arg("config.json") + " -k statistics_rows=6");
  for (const char* expert : {"colour", "taste"})
    EXPECT_TRUE(std::filesystem::exists(artefact(expert))) << expert;
  EXPECT_EQ(compute("-c " + arg("config.json") + " --rows 6"), "quiver: computed statistics of 0 experts");
}

TEST_F(StatisticsCommand, RowsMayComeFromAFile) {
  train("colour");
  EXPECT_EQ(compute("--data " + arg("tasks.jsonl") + " --base " + base() + " --recompute"),
            "quiver: computed statistics of 1 experts");
  // The base that the experts name.
  EXPECT_EQ(compute("--data " + arg("tasks.jsonl") + " --recompute"),
            "quiver: computed statistics of 1 experts");
}

TEST_F(StatisticsCommand, AnImportedExpertNeedsRowsByName) {
  run_ok("library create " + arg("library"));
  run_ok("library import " + test::quote(test::golden_path("tiny_llama_expert")) + " " + arg("library") +
         " --name colour --base " + base());
  EXPECT_EQ(error(config_option(experiment())),
            "quiver: error: expert 'colour' does not say which tasks it was trained on (name its rows: "
            "--data FILE, "
            "with rows whose task_name is 'colour')\n");
  EXPECT_EQ(compute("--data " + arg("tasks.jsonl") + " --base " + base()),
            "quiver: computed statistics of 1 experts");
  run_ok("library rename " + arg("library") + " colour paint");
  EXPECT_NE(error("--data " + arg("tasks.jsonl") + " --base " + base()).find("paint"), std::string::npos);
}

TEST_F(StatisticsCommand, ATaskOfOneRowIsTrainedWithoutThem) {
  write_file_atomic(path("one.jsonl"),
                    R"({"source": "colour:", "target": "blue", "task_name": "colour", "split": "train"})"
                    "\n");
  Json config = experiment();
  config["dataset"] = path("one.jsonl").string();
  const test::ProgramResult trained = run("train " + config_option(config));
  EXPECT_EQ(trained.status, 0);
  EXPECT_NE(trained.err.find(
                "no statistics of expert 'colour': its task 'colour' has fewer than two training rows"),
            std::string::npos)
      << trained.err;
  EXPECT_FALSE(std::filesystem::exists(artefact("colour")));
  const std::string refused = error("-c " + arg("config.json"));
  EXPECT_NE(refused.find("quiver: error: task 'colour' of expert 'colour' has 1 training row, its statistics "
                         "need at least two (check the data set and its filters)\n"),
            std::string::npos)
      << refused;
}

TEST_F(StatisticsCommand, WhatIsMissingIsSaid) {
  train("colour");
  EXPECT_EQ(error(""), "quiver: error: no rows are named (give -c FILE, a config, or --data PATH)\n");
  const test::ProgramResult one = run("prototypes statistics " + arg("library") + " -c x --rows 1");
  EXPECT_EQ(one.status, 2);
  EXPECT_NE(one.err.find("--rows"), std::string::npos) << one.err;
  const std::string other = "--base " + test::quote(test::golden_path("tiny_llama_untied"));
  EXPECT_NE(error("-c " + arg("config.json") + " " + other).find("expert 'colour' was trained on"),
            std::string::npos);
}

}  // namespace
}  // namespace quiver
