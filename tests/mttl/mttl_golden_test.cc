// Golden files: tests/golden/make_mttl_library.py, whose experts are those of routed_experts.safetensors.
#include <algorithm>

#include "quiver/mttl.h"
#include "support/test_support.h"
#include "tensor/safetensors.h"

namespace quiver::test {
namespace {

class MttlGoldenTest : public testing::Test {
 protected:
  // Every module of an imported expert holds the numbers of one in routed_experts.safetensors; `a_of` gives
  // the module whose A it shares.
  void expect_weights(
      const Expert& expert, const std::string& stored, double scale,
      const std::function<std::string(const std::string&)>& a_of = [](const std::string& path) {
        return path;
      }) {
    ASSERT_EQ(expert.modules.size(), 6u);
    for (const auto& [path, weights] : expert.modules) {
      EXPECT_TRUE(at::equal(weights.a, experts_.read(stored + "/" + a_of(path) + ".a"))) << path;
      EXPECT_TRUE(at::equal(weights.b, experts_.read(stored + "/" + path + ".b"))) << path;
      EXPECT_DOUBLE_EQ(weights.scale, scale) << path;
    }
  }
  void expect_vectors(const std::string& name, const char* kind, const std::string& suffix) {
    const auto artefact = library_.find_artefact(name, kind);
    ASSERT_TRUE(artefact);
    EXPECT_EQ(artefact->settings.at("imported_from"), "mttl");
    ASSERT_EQ(artefact->tensors.size(), 6u);
    for (const auto& [path, vector] : artefact->tensors) {
      EXPECT_TRUE(at::equal(vector, experts_.read(name + "/" + path + suffix))) << path;
    }
  }

  const SafetensorsFile experts_ = SafetensorsFile::open(golden_path("routed_experts.safetensors"));
  const ScratchDirectory scratch_;
  ExpertLibrary library_ = ExpertLibrary::create((scratch_ / "library").string());
};

TEST_F(MttlGoldenTest, ALibraryComesWithItsPrototypesAndGates) {
  const MttlImport done = import_mttl(golden_path("mttl_library"), library_);
  EXPECT_EQ(done.experts, (std::vector<std::string>{"expert_0", "expert_1", "tied"}));
  EXPECT_EQ(library_.names(), done.experts) << "the deleted one stays hidden";
  EXPECT_EQ(done.artefacts, 2);
  EXPECT_EQ(done.left_out,
            (std::vector<std::string>{"expert_0.arrowconfig-a8327e21d374166ceeb94c40d2e7676f_eigvals.bin",
                                      "expert_0.svdembeddingtransformconfig-9b2ba348.bin"}));
  ASSERT_EQ(done.problems.size(), 2u);
  EXPECT_NE(done.problems[0].find("broken.meta: not a file of torch.save"), std::string::npos);
  EXPECT_NE(done.problems[1].find("skilled.meta: the adapter 'SkilledLoRAConfig' is not supported"),
            std::string::npos);
  EXPECT_TRUE(library_.verify().empty());

  const Expert first = library_.load("expert_0");
  expect_weights(first, "expert_0", 4);
  EXPECT_EQ(first.info.tasks, (std::vector<std::string>{"task_a", "task_b"}));
  EXPECT_EQ(first.info.base_model, "tiny_llama");
  EXPECT_EQ(first.info.lora.modify_layers, "q_proj|k_proj|v_proj");
  EXPECT_EQ(first.info.training.at("learning_rate"), 1e-2);
  EXPECT_EQ(first.info.training.at("dataset"), "some/tasks");
  expect_vectors("expert_0", "arrow", ".prototype");
  expect_vectors("expert_0", "phatgoose", ".gate");
  EXPECT_EQ(library_.find_artefact("expert_0", "phatgoose")->settings.at("config").at("n_steps"), 50);
}

TEST_F(MttlGoldenTest, OlderFilesAndTiedMatrices) {
  import_mttl(golden_path("mttl_library"), library_);
  const Expert older = library_.load("expert_1");
  expect_weights(older, "expert_1", 0.5);
  EXPECT_EQ(older.info.base_model, "tiny_llama");
  EXPECT_EQ(older.info.lora.rank, 2);
  expect_weights(library_.load("tied"), "expert_2", 1, [](std::string path) {
    return path.replace(path.rfind('.') + 1, std::string::npos, "q_proj");
  });
}

TEST_F(MttlGoldenTest, OneExpertOfAFolderOrOneFile) {
  const MttlImport one = import_mttl(golden_path("mttl_library"), library_, {.name = "expert_1"});
  EXPECT_EQ(library_.names(), (std::vector<std::string>{"expert_1"}));
  import_mttl(golden_path("mttl_library") / "expert_0.ckpt", library_, {.name = "mine"});
  expect_weights(library_.load("mine"), "expert_0", 4);
  const std::string unknown =
      error_message([&] { import_mttl(golden_path("mttl_library"), library_, {.name = "expert_2"}); });
  EXPECT_NE(unknown.find("no expert 'expert_2'"), std::string::npos) << unknown;
  EXPECT_THROW(import_mttl(golden_path("mttl_library"), library_), Error) << "expert_1 is there already";
  EXPECT_EQ(library_.names(), (std::vector<std::string>{"expert_1", "mine"}));
  const MttlImport again =
      import_mttl(golden_path("mttl_library"), library_, {.if_exists = IfExists::kReplace});
  EXPECT_EQ(again.experts.size(), 3u);
}

TEST_F(MttlGoldenTest, ModelFoldersOfBothVersions) {
  for (const char* folder : {"mttl_model", "mttl_model_1_0"}) {
    SCOPED_TRACE(folder);
    const MttlImport done = import_mttl(golden_path(folder), library_, {.if_exists = IfExists::kReplace});
    EXPECT_TRUE(done.problems.empty());
    EXPECT_TRUE(done.left_out.empty());
    EXPECT_EQ(done.artefacts, 2);
    EXPECT_EQ(library_.names(), (std::vector<std::string>{"expert_0", "expert_3"}));
    expect_weights(library_.load("expert_0"), "expert_0", 4);
    expect_weights(library_.load("expert_3"), "expert_3", 1.5);
    expect_vectors("expert_0", "arrow", ".prototype");
    expect_vectors("expert_3", "arrow", ".prototype");
  }
}

TEST_F(MttlGoldenTest, WhatIsExportedIsImported) {
  import_mttl(golden_path("mttl_library"), library_);
  export_mttl(library_, library_.names(), scratch_ / "exported");
  ExpertLibrary again = ExpertLibrary::create((scratch_ / "again").string());
  const MttlImport done = import_mttl(scratch_ / "exported", again);
  EXPECT_TRUE(done.problems.empty());
  EXPECT_EQ(again.names(), library_.names());
  for (const std::string& name : again.names()) {
    EXPECT_EQ(expert_digest(again.load(name)), expert_digest(library_.load(name))) << name;
    const ExpertInfo info = again.info(name);
    EXPECT_EQ(info.tasks, library_.info(name).tasks);
    EXPECT_EQ(info.training, library_.info(name).training);
    EXPECT_EQ(info.base_model, "tiny_llama");
  }
}

}  // namespace
}  // namespace quiver::test
