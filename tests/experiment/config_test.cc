#include <cstdlib>

#include "quiver/experiment.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::ScratchDirectory;
using Strings = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string write(const ScratchDirectory& scratch, const std::string& name, const std::string& content) {
  write_file_atomic(scratch / name, content);
  return (scratch / name).string();
}

class EnvironmentVariable {
 public:
  EnvironmentVariable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~EnvironmentVariable() { unsetenv(name_); }

 private:
  const char* name_;
};

TEST(Config, HasTheReferencesDefaults) {
  const ExperimentConfig config = load_config("", {});
  EXPECT_EQ(config.train_batch_size, 4);
  EXPECT_FALSE(config.micro_batch_size.has_value());
  EXPECT_EQ(config.learning_rate, 1e-3);
  EXPECT_EQ(config.warmup_proportion, 0.06);
  EXPECT_EQ(config.lora_rank, 4);
  EXPECT_EQ(config.lora_alpha, 16);
  EXPECT_EQ(config.max_grad_norm, 0.1);
  EXPECT_EQ(config.truncation_side, TruncationSide::kRight);
  EXPECT_EQ(config.precision, Precision::kFloat32);
  EXPECT_EQ(config.target_loss, LossMean::kTokenMean);
  EXPECT_EQ(config.keep, Keep::kLast);
  EXPECT_TRUE(config.finetune_task_name.empty());
}

TEST(Config, LaterFilesAndThenOverridesWin) {
  const ScratchDirectory scratch;
  write(scratch, "a.json", R"({"model": "base", "lora_rank": 8, "weight_decay": 0, "num_train_epochs": 5})");
  write(scratch, "b.json", R"({"lora_rank": 16, "truncation_side": "left", "precision": "bf16"})");
  const std::string files = (scratch / "a").string() + "+" + (scratch / "b.json").string();
  const ExperimentConfig config = load_config(files, {"num_train_epochs=10", "clip_norm=1.0"});
  EXPECT_EQ(config.model, "base");
  EXPECT_EQ(config.lora_rank, 16);
  EXPECT_EQ(config.weight_decay, 0);
  EXPECT_EQ(config.truncation_side, TruncationSide::kLeft);
  EXPECT_EQ(config.precision, Precision::kBFloat16);
  EXPECT_EQ(config.num_train_epochs, 10);
  EXPECT_EQ(config.max_grad_norm, 1.0);
}

TEST(Config, LooksFilesUpUnderConfigPath) {
  const ScratchDirectory scratch;
  write(scratch, "preset.json", R"({"lora_rank": 2})");
  const EnvironmentVariable path("CONFIG_PATH", scratch.path().string());
  EXPECT_EQ(load_config("preset", {}).lora_rank, 2);
  EXPECT_TRUE(contains(error_message([] { load_config("absent", {}); }), "config file 'absent' not found"));
}

TEST(Config, ReadsLiteralsInOverrides) {
  const ExperimentConfig config = load_config(
      "", {"train_on_inputs=True", "micro_batch_size=None", "learning_rate=.5", "weight_decay=1e-2",
           "expert_name=007", "model='a b'", "total_steps=1e2", "precision=32",
           "finetune_task_name=[\"x\", \"y\"]", "modify_layers=.*q_proj|.*v_proj$", "library_id=125"});
  EXPECT_TRUE(config.train_on_inputs);
  EXPECT_FALSE(config.micro_batch_size.has_value());
  EXPECT_EQ(config.learning_rate, 0.5);
  EXPECT_EQ(config.weight_decay, 0.01);
  EXPECT_EQ(config.expert_name, "007");
  EXPECT_EQ(config.model, "a b");
  EXPECT_EQ(config.total_steps, 100);
  EXPECT_EQ(config.precision, Precision::kFloat32);
  EXPECT_EQ(config.finetune_task_name, (Strings{"x", "y"}));
  EXPECT_EQ(config.modify_layers, ".*q_proj|.*v_proj$");
  EXPECT_EQ(config.library_id, "125");
}

TEST(Config, AKeyGivenTwiceBecomesAList) {
  EXPECT_EQ(load_config("", {"finetune_task_name=a,b", "finetune_task_name=c"}).finetune_task_name,
            (Strings{"a", "b", "c"}));
  EXPECT_EQ(error_message([] {
              load_config("", {"lora_rank=4", "lora_rank=8"});
            }),
            "-k: 'lora_rank' is [\"4\",\"8\"], must be a whole number");
}

TEST(Config, SubstitutesEnvironmentVariables) {
  const EnvironmentVariable base("QUIVER_TEST_BASE", "/models");
  EXPECT_EQ(load_config("", {"model=$QUIVER_TEST_BASE/x", "output_dir=a${QUIVER_TEST_BASE}b"}).model,
            "/models/x");
  EXPECT_EQ(load_config("", {"output_dir=a${QUIVER_TEST_BASE}b"}).output_dir, "a/modelsb");
  EXPECT_EQ(error_message([] { load_config("", {"model=$QUIVER_TEST_ABSENT"}); }),
            "config key 'model': environment variable 'QUIVER_TEST_ABSENT' is not set, in "
            "'$QUIVER_TEST_ABSENT'");
}

TEST(Config, ReplacesTaskSetsByTheirTasks) {
  const ScratchDirectory scratch;
  const std::string path =
      write(scratch, "sets.json", R"({"cluster_0": ["a", "b"], "cluster_1": ["c", "a"]})");
  EXPECT_EQ(load_config("", {"finetune_task_path=" + path, "finetune_task_name=cluster_1,other"})
                .finetune_task_name,
            (Strings{"c", "a", "other"}));
  const ExperimentConfig all = load_config("", {"finetune_task_path=" + path});
  EXPECT_EQ(all.finetune_task_name, (Strings{"a", "b", "c"}));
  EXPECT_FALSE(all.finetune_task_path.has_value());
  EXPECT_TRUE(load_config("", {"finetune_task_name=all"}).finetune_task_name.empty());

  const std::string broken = write(scratch, "broken.json", R"({"cluster_0": "a"})");
  EXPECT_TRUE(contains(error_message([&] {
                         load_config("", {"finetune_task_path=" + broken, "finetune_task_name=cluster_0"});
                       }),
                       "'cluster_0' has the wrong type"));
}

TEST(Config, ReadsSubsampleAsADivisor) {
  const ExperimentConfig config = load_config("", {"subsample=4", "subsample_dev=10"});
  EXPECT_EQ(config.subsample_train, 0.25);
  EXPECT_EQ(config.subsample_dev, 10);
}

TEST(Config, WarnsOnceAboutKeysOfTheReferenceAlone) {
  testing::internal::CaptureStderr();
  load_config("", {"padding_side=right", "wandb_project=x", "device_map=cpu", "eval_before_training=true"});
  EXPECT_TRUE(contains(testing::internal::GetCapturedStderr(),
                       "device_map, eval_before_training, padding_side, wandb_project"));
}

// The keys of mttl's configs/models for its 125M tutorial model and for Phi-2.
TEST(Config, ReadsTheReferencesModelPresets) {
  const ScratchDirectory scratch;
  const std::string neo =
      write(scratch, "neo.json", R"({"lora_rank": 4, "lora_dropout": 0.0, "weight_decay": 0.0,
    "n_skills": 1, "model_modifier": "lora", "modify_modules": ".*", "modify_layers": "q_proj|v_proj|k_proj",
    "trainable_param_names": ".*lora_[ab].*", "num_train_epochs": 10, "learning_rate": 3e-5,
    "micro_batch_size": 16, "train_batch_size": 16, "predict_batch_size": 8, "precision": "16", "model": "m",
    "model_family": "gpt", "optimizer": "adamw", "truncation_side": "left"})");
  const std::string phi = write(scratch, "phi.json", R"({"n_splits": 1, "micro_batch_size": 1,
    "subsample_dev": 1000, "precision": "bf16", "load_in_8bit": 0, "remove_phi_eval_tasks": 1,
    "pipeline_eval_tasks": "all", "tie_params": "q_proj.lora_a|k_proj.lora_a|v_proj.lora_a"})");
  const ExperimentConfig config = load_config(neo + "+" + phi, {});
  EXPECT_EQ(config.modify_layers, "q_proj|v_proj|k_proj");
  EXPECT_EQ(config.learning_rate, 3e-5);
  EXPECT_EQ(config.micro_batch_size, 1);
  EXPECT_EQ(config.subsample_dev, 1000);
  EXPECT_TRUE(config.remove_phi_eval_tasks);
  EXPECT_EQ(load_config(neo, {}).precision, Precision::kFloat32);
}

TEST(Config, NamesTheNearestKey) {
  EXPECT_EQ(error_message([] { load_config("", {"lora_rnk=4"}); }),
            "-k: unknown config key 'lora_rnk' | did you mean 'lora_rank'?");
}

TEST(Config, RefusesBadValuesByName) {
  const auto message = [](const std::string& setting) {
    return error_message([&] { load_config("", {setting}); });
  };
  EXPECT_EQ(message("lora_rank=0"), "-k: 'lora_rank' is 0, must be between 1 and 1048576");
  EXPECT_EQ(message("lora_rank=4.5"), "-k: 'lora_rank' is 4.5, must be a whole number");
  EXPECT_EQ(message("lora_rank=1e300"), "-k: 'lora_rank' is 1e+300, must be a whole number");
  EXPECT_EQ(message("learning_rate=fast"), "-k: 'learning_rate' is \"fast\", must be a number");
  EXPECT_EQ(message("train_on_inputs=yes"), "-k: 'train_on_inputs' is \"yes\", must be true or false");
  EXPECT_EQ(message("truncation_side=top"),
            "-k: 'truncation_side' is \"top\", must be one of 'left', 'right'");
  EXPECT_EQ(message("lora_dropout=1"), "-k: 'lora_dropout' is 1, must be at least 0 and below 1");
  EXPECT_EQ(message("total_steps=0"),
            "-k: 'total_steps' is 0, must be between 1 and 1000000000, or -1 for none");
  EXPECT_EQ(message("model={}"), "-k: 'model' is {}, must be text");
  EXPECT_EQ(message("nonsense"), "-k 'nonsense': must read key=value");
  EXPECT_TRUE(contains(message("model_modifier=ia3"), "model_modifier \"ia3\" is not supported"));
  EXPECT_EQ(error_message([] {
              load_config("", {"train_batch_size=16", "micro_batch_size=5"});
            }),
            "train_batch_size 16 is not divisible by micro_batch_size 5");
}

TEST(Config, RangesNameTheFileThatLeftThem) {
  const ScratchDirectory scratch;
  const auto message = [&](const std::string& json) {
    const std::string path = write(scratch, "c.json", json);
    const std::string text = error_message([&] { load_config(path, {}); });
    const std::string origin = "config file " + path + ": ";
    return text.starts_with(origin) ? text.substr(origin.size()) : text;
  };
  EXPECT_EQ(message(R"({"lora_rank": 4294967296})"),
            "'lora_rank' is 4294967296, must be between 1 and 1048576");
  EXPECT_EQ(message(R"({"num_train_epochs": 9007199254740992})"),
            "'num_train_epochs' is 9007199254740992, must be between 1 and 1000000000, or -1 for none");
  EXPECT_EQ(message(R"({"seed": -1})"), "'seed' is -1, must be between 0 and 9007199254740992");
  EXPECT_EQ(message(R"({"learning_rate": 1e39})"),
            "'learning_rate' is 1e+39, must be 0 or more, and at most 3.4e38");
  EXPECT_EQ(message(R"({"adam_epsilon": 0})"), "'adam_epsilon' is 0, must be above 0, and at most 3.4e38");
  EXPECT_EQ(message(R"({"subsample_dev": -2})"), "'subsample_dev' is -2, must be above 0, or -1 for all");
}

TEST(Config, SaysWhichFileNamedTheTasks) {
  const ScratchDirectory scratch;
  const std::string clusters = write(scratch, "clusters.json", R"({"cluster_0": ["a", "b"]})");
  EXPECT_EQ(load_config("", {"finetune_task_path=" + clusters}).task_sets_file, clusters);
  EXPECT_EQ(load_config("", {"finetune_task_name=a"}).task_sets_file, "");
}

TEST(Config, RefusesFilesThatAreNoObjects) {
  const ScratchDirectory scratch;
  const std::string list = write(scratch, "list.json", "[1]");
  EXPECT_EQ(error_message([&] { load_config(list, {}); }),
            "config file " + list + ": must hold a JSON object, holds array");
  const std::string broken = write(scratch, "broken.json", "{\"a\": ");
  EXPECT_TRUE(contains(error_message([&] { load_config(broken, {}); }), broken + ": not valid JSON"));
}

TEST(Config, TrainingNeedsALength) {
  EXPECT_EQ(error_message([] {
              validate_for_training(load_config("", {"model=a", "dataset=b"}));
            }),
            "config: training needs 'num_train_epochs' or 'total_steps'");
  EXPECT_EQ(error_message([] { validate_for_training(load_config("", {"total_steps=3"})); }),
            "config: training needs 'model'");
  validate_for_training(load_config("", {"model=a", "dataset=b", "total_steps=3"}));
}

TEST(Config, SurvivesJson) {
  const ExperimentConfig config = load_config(
      "", {"model=m", "finetune_task_name=a,b", "keep=best", "target_loss=mttl", "eval_every=7",
           "scheduler=cosine_annealing", "optimizer=sgd", "precision=bf16", "subsample_train=0.5"});
  const nlohmann::json object = to_json(config);
  EXPECT_EQ(object["keep"], "best");
  EXPECT_EQ(object["precision"], "bfloat16");
  EXPECT_EQ(object["finetune_task_name"], nlohmann::json({"a", "b"}));
  EXPECT_TRUE(object["micro_batch_size"].is_null());
  EXPECT_EQ(to_json(load_config(object, "expert.json", {})), object);
  EXPECT_EQ(error_message([] {
              load_config({{"lora_rank", "four"}}, "expert.json", {});
            }),
            "expert.json: 'lora_rank' is \"four\", must be a whole number");
}

}  // namespace
}  // namespace quiver
