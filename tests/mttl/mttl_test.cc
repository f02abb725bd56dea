// Folders of mttl that are incomplete or damaged.
#include "quiver/mttl.h"

#include <fstream>

#include "support/expert_fixture.h"
#include "support/test_support.h"
#include "tensor/torch_file.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

class MttlTest : public testing::Test {
 protected:
  MttlTest() {
    ExpertLibrary source = ExpertLibrary::create((scratch_ / "source").string());
    for (const char* name : {"one", "two"}) source.add(make_expert(name));
    export_mttl(source, source.names(), folder_);
  }

  // Writes an artefact file with a vector of zeros a module of expert "one", but for the changes.
  void write_vectors(const std::string& data_type, const std::map<std::string, at::Tensor>& changes) {
    TorchValue::Dict vectors;
    for (const auto& [path, weights] : make_expert("one").modules) {
      const auto changed = changes.find(path);
      vectors.push_back(
          {{path}, {changed == changes.end() ? at::ones({weights.a.size(1)}) : changed->second}});
    }
    write_torch_file(folder_ / ("one." + data_type + ".bin"),
                     {TorchValue::Dict{{{std::string("data")}, {vectors}}, {{std::string("config")}, {}}}});
  }

  const ScratchDirectory scratch_;
  const fs::path folder_ = scratch_ / "mttl";
  ExpertLibrary library_ = ExpertLibrary::create((scratch_ / "library").string());
};

TEST_F(MttlTest, AnExpertWithoutWeightsKeepsTheOthersIn) {
  fs::remove(folder_ / "one.ckpt");
  std::ofstream(folder_ / "notes.txt") << "not of mttl";
  const MttlImport done = import_mttl(folder_, library_);
  EXPECT_EQ(done.experts, (std::vector<std::string>{"two"}));
  EXPECT_EQ(library_.names(), done.experts);
  ASSERT_EQ(done.problems.size(), 1u);
  EXPECT_NE(done.problems[0].find("one.ckpt"), std::string::npos) << done.problems[0];
  EXPECT_NE(done.problems[0].find("no such file"), std::string::npos) << done.problems[0];
}

TEST_F(MttlTest, TwoFilesThatNameOneExpert) {
  fs::copy(folder_ / "one.meta", folder_ / "three.meta");
  const MttlImport done = import_mttl(folder_, library_);
  EXPECT_EQ(done.experts, (std::vector<std::string>{"one", "two"}));
  ASSERT_EQ(done.problems.size(), 1u);
  EXPECT_NE(done.problems[0].find("three.meta: there are two experts 'one'"), std::string::npos);
}

TEST_F(MttlTest, ANameThatLeavesTheFolderIsRefused) {
  write_torch_file(
      folder_ / "x.meta",
      {TorchValue::Dict{{{std::string("expert_name")}, {std::string("../one")}},
                        {{std::string("expert_config")},
                         {TorchValue::Dict{{{std::string("class_name")}, {std::string("LoRAConfig")}}}}}}});
  const MttlImport done = import_mttl(folder_, library_);
  EXPECT_EQ(done.experts, (std::vector<std::string>{"one", "two"}));
  ASSERT_EQ(done.problems.size(), 1u);
  EXPECT_NE(done.problems[0].find("../one"), std::string::npos) << done.problems[0];
}

TEST_F(MttlTest, VectorsMustFitTheExpert) {
  const std::string path = "model.layers.0.self_attn.q_proj";
  write_vectors("arrowconfig-0_vectors", {{path, at::ones({5})}});
  write_vectors("phatgooseconfig-0", {});
  const MttlImport done = import_mttl(folder_, library_);
  EXPECT_EQ(done.experts.size(), 2u);
  EXPECT_EQ(done.artefacts, 1);
  EXPECT_TRUE(library_.find_artefact("one", "phatgoose"));
  EXPECT_FALSE(library_.find_artefact("one", "arrow"));
  ASSERT_EQ(done.problems.size(), 1u);
  EXPECT_NE(done.problems[0].find("the vector of '" + path + "' has shape [5], not [6]"), std::string::npos)
      << done.problems[0];
}

TEST_F(MttlTest, PrototypesGoBeforeVectors) {
  write_vectors("arrowtransformconfig-0_vectors", {});
  const std::string path = "model.layers.0.self_attn.q_proj";
  write_vectors("arrowtransformconfig-1_protos", {{path, at::full({6}, 2.0)}});
  const MttlImport done = import_mttl(folder_, library_);
  EXPECT_EQ(done.left_out, (std::vector<std::string>{"one.arrowtransformconfig-0_vectors.bin"}));
  EXPECT_EQ(library_.find_artefact("one", "arrow")->tensors.at(path)[0].item<float>(), 2);
}

TEST_F(MttlTest, ACheckpointAloneDoesNotSayItsScale) {
  fs::copy(folder_ / "one.ckpt", scratch_ / "alone.ckpt");
  const std::string message = error_message([&] { import_mttl(scratch_ / "alone.ckpt", library_); });
  EXPECT_NE(message.find("without it the scale of"), std::string::npos) << message;
}

TEST_F(MttlTest, ACheckpointOfATrainingRun) {
  TorchValue::Dict state;
  for (const auto& [path, weights] : make_expert("one").modules) {
    state.push_back({{"model." + path + ".lora_a"}, {weights.a.t()}});
    state.push_back({{"model." + path + ".lora_b"}, {weights.b.t()}});
  }
  const TorchValue::Dict settings = {
      {{std::string("model_modifier")}, {std::string("lora")}},
      {{std::string("lora_rank")}, {std::int64_t{2}}},
      {{std::string("lora_alpha")}, {std::int64_t{8}}},
      {{std::string("model")}, {std::string("tiny-llama")}},
      {{std::string("finetune_task_name")}, {std::string("one_task,shared_task")}}};
  write_torch_file(scratch_ / "best.ckpt",
                   {TorchValue::Dict{{{std::string("state_dict")}, {state}},
                                     {{std::string("hyper_parameters")}, {settings}}}});
  EXPECT_EQ(import_mttl(scratch_ / "best.ckpt", library_).experts, (std::vector<std::string>{"best"}));
  EXPECT_EQ(expert_digest(library_.load("best")), expert_digest(make_expert("one")));
  EXPECT_EQ(library_.info("best").tasks, (std::vector<std::string>{"one_task", "shared_task"}));
}

TEST_F(MttlTest, WhatIsNotThereIsAnError) {
  fs::create_directory(scratch_ / "empty");
  EXPECT_FALSE(is_mttl(scratch_ / "empty"));
  EXPECT_TRUE(is_mttl(folder_));
  EXPECT_NE(error_message([&] { import_mttl(scratch_ / "empty", library_); }).find("no experts in"),
            std::string::npos);
  EXPECT_NE(error_message([&] { import_mttl(scratch_ / "none", library_); }).find("no such folder"),
            std::string::npos);
  EXPECT_NE(error_message([&] { import_mttl(folder_, library_, {.name = "on"}); }).find("did you mean 'one'"),
            std::string::npos);
}

TEST_F(MttlTest, NothingIsWrittenOver) {
  const ExpertLibrary source = ExpertLibrary::open((scratch_ / "source").string());
  EXPECT_NE(error_message([&] { export_mttl(source, source.names(), folder_); }).find("is not empty"),
            std::string::npos);
  const std::string names[] = {"one"};
  fs::create_directory(scratch_ / "empty");
  export_mttl(source, names, scratch_ / "empty");
  EXPECT_TRUE(fs::exists(scratch_ / "empty" / "one.meta"));
  EXPECT_FALSE(fs::exists(scratch_ / "empty" / "two.meta"));
  const std::string readme = read_file(scratch_ / "empty" / "README.md", 10'000);
  EXPECT_NE(readme.find("| one | tiny-llama | /one_task,shared_task | lora |"), std::string::npos) << readme;
  EXPECT_NE(readme.find("Number of experts present in the library: 1\n"), std::string::npos);
}

}  // namespace
}  // namespace quiver::test
