// `quiver train`: experts per task, a joint one, seeds, interruption and resumption.

#include "e2e/program_test.h"

namespace quiver {
namespace {

class Train : public test::ProgramTest {
 protected:
  std::string weights(const std::string& library, const std::string& expert) const {
    return test::content(expert_path(library, expert) / "adapter_model.safetensors");
  }

  std::filesystem::path expert_path(const std::string& library, const std::string& expert) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path(library))) {
      if (entry.path().filename() == expert && entry.is_directory()) return entry.path();
    }
    ADD_FAILURE() << "no expert " << expert << " in " << library;
    return {};
  }

  std::string train_into(const std::string& library, const std::string& more) const {
    return "train -c " + arg("config.json") + " -k library_id=" + arg(library) + " " + more;
  }
};

TEST_F(Train, OneExpertPerTaskLearnsItsTask) {
  train("colour,taste");
  EXPECT_EQ(run_ok("library ls " + arg("library")), "colour\ntaste\n");
  for (const Json& expert : test::json_lines_of(run_ok("library show " + arg("library")))) {
    EXPECT_EQ(expert.at("tasks"), Json::array({expert.at("name")}));
    EXPECT_EQ(expert.at("metrics").at("steps"), 12);
    EXPECT_EQ(expert.at("training").at("seed"), 7);
    EXPECT_EQ(expert.at("training").at("learning_rate"), 1e-2);
    EXPECT_LT(expert.at("metrics").at("last_loss"), expert.at("metrics").at("first_loss"));
  }
}

TEST_F(Train, JointExpertKnowsAllTasks) {
  Json config = experiment();
  config["expert_name"] = "everything";
  run_ok("train --joint " + config_option(config));
  EXPECT_EQ(run_ok("library ls " + arg("library")), "everything\n");
  const Json shown = Json::parse(run_ok("library show " + arg("library") + " everything"));
  EXPECT_EQ(shown.at("tasks"), Json::array({"colour", "number", "taste"}));
}

TEST_F(Train, TheSeedDecidesTheWeights) {
  config_option(experiment());
  const std::string one_task = "-k finetune_task_name=colour -k total_steps=4";
  run_ok(train_into("first", one_task));
  run_ok(train_into("again", one_task));
  run_ok("--seed 8 " + train_into("other", one_task));
  run_ok(train_into("config_seed", one_task + " -k seed=8"));
  EXPECT_EQ(weights("first", "colour"), weights("again", "colour"));
  EXPECT_NE(weights("first", "colour"), weights("other", "colour"));
  EXPECT_EQ(weights("other", "colour"), weights("config_seed", "colour"));
}

TEST_F(Train, TheConfigTiesParametersAndSharesStarts) {
  config_option(experiment());
  const std::string one_task = "-k finetune_task_name=colour -k total_steps=2";
  run_ok(train_into("tied", one_task + " -k tie_params=q_proj.lora_a\\|k_proj.lora_a -k shared_start=true"));
  const Json training = Json::parse(run_ok("library show " + arg("tied") + " colour")).at("training");
  EXPECT_EQ(training.at("tie_params"), "q_proj.lora_a|k_proj.lora_a");
  EXPECT_EQ(training.at("shared_start"), true);
  const test::ProgramResult untied = run(train_into("other", one_task + " -k tie_params=gate_proj.lora_a"));
  EXPECT_EQ(untied.status, 1);
  EXPECT_NE(untied.err.find("tie_params 'gate_proj.lora_a' ties no two adapter parameters"),
            std::string::npos)
      << untied.err;
}

TEST_F(Train, AnExpertThatIsThereIsKeptUnlessForced) {
  train("colour");
  const std::string before = weights("library", "colour");
  const test::ProgramResult refused =
      run("--seed 1 " + train_into("library", "-k finetune_task_name=colour"));
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("quiver: error: expert 'colour' is in "), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("--resume passes over it, --force replaces it"), std::string::npos);
  EXPECT_EQ(weights("library", "colour"), before);
  run_ok("--seed 1 " + train_into("library", "-k finetune_task_name=colour --force"));
  EXPECT_NE(weights("library", "colour"), before);
}

// Stopped in its second expert, a run keeps the first one, and --resume ends with the bytes of a run that was
// never stopped.
TEST_F(Train, InterruptedAndResumedGivesTheSameBytes) {
  Json config = experiment();
  config["finetune_task_name"] = "colour,number";
  config["total_steps"] = 200;
  config["lora_dropout"] = 0.1;
  config["save_every"] = 10;
  config_option(config);
  run_ok(train_into("whole", "-k output_dir=" + arg("whole_output")));

  const std::string checkpoint = arg("output/checkpoints/number.safetensors");
  const std::string command =
      program() + " " + train_into("library", "") + " >/dev/null 2>" + arg("stderr") +
      " & child=$!; tries=0; until [ -e " + checkpoint +
      " ] || [ $tries -gt 1500 ]; do sleep 0.01; tries=$((tries + 1)); done; kill -INT $child; wait $child";
  EXPECT_EQ(test::run_command(command).status, 130);
  const std::string err = test::content(path("stderr"));
  EXPECT_NE(err.find("quiver: error: interrupted after step "), std::string::npos) << err;
  EXPECT_NE(err.find("--resume goes on from there"), std::string::npos) << err;
  EXPECT_EQ(run_ok("library ls " + arg("library")), "colour\n");
  EXPECT_TRUE(std::filesystem::exists(path("output/checkpoints/number.safetensors")));

  run_ok(train_into("library", "--resume"));
  EXPECT_EQ(weights("library", "colour"), weights("whole", "colour"));
  EXPECT_EQ(weights("library", "number"), weights("whole", "number"));
  EXPECT_FALSE(std::filesystem::exists(path("output/checkpoints/number.safetensors")));
}

// Two experts, and a third task of which there are four rows.
TEST_F(Train, AdaptWeighsTheExpertsOnAFewRows) {
  train("colour,taste");
  const std::string command =
      "adapt " + arg("library") + " " + base() + " -c " + arg("config.json") + " --shots 4 ";
  run_ok(command + "--task number --name number");
  const Json shown = Json::parse(run_ok("library show " + arg("library") + " number"));
  EXPECT_EQ(shown.at("tasks"), Json::array({"number"}));
  EXPECT_EQ(shown.at("rank"), 8);
  const Json& record = shown.at("training").at("adapt");
  EXPECT_EQ(record.at("experts"), (Json{"colour", "taste"}));
  EXPECT_EQ(record.at("shots"), 4);
  EXPECT_EQ(record.at("seed"), 7);
  EXPECT_EQ(run_ok("library verify " + arg("library")), "3 experts verified\n");
  // It is the oracle's for its task.
  run_ok("generate " + base() + " --library " + arg("library") +
         " --router expert:number --prompt x --max-new-tokens 1");

  const test::ProgramResult again =
      run(command + "--task colour --name more --method lorahub --evaluations 3");
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_NE(again.err.find("'more' names no tasks, since the library has an expert for 'colour'"),
            std::string::npos)
      << again.err;
  const test::ProgramResult twice = run(command + "--task number --name number");
  EXPECT_EQ(twice.status, 1);
  EXPECT_NE(twice.err.find("has an expert 'number' already (give another --name)"), std::string::npos)
      << twice.err;
  const test::ProgramResult unknown = run(command + "--task nmber --name other");
  EXPECT_EQ(unknown.status, 1);
  EXPECT_NE(unknown.err.find("did you mean 'number'"), std::string::npos) << unknown.err;
}

}  // namespace
}  // namespace quiver
