// Files that earlier versions wrote, read by today's program: tests/fixtures/.

#include "e2e/program_test.h"

namespace quiver {
namespace {

class FormatsOfVersion1 : public test::ProgramTest {
 protected:
  FormatsOfVersion1() {
    std::filesystem::copy(test::source_directory() / "tests/fixtures/v1", path("v1"),
                          std::filesystem::copy_options::recursive);
    std::filesystem::create_directory_symlink(test::golden_path("tiny_llama"), path("v1/tiny_llama"));
  }

  // With v1 as the current folder, as it was when the files were written.
  std::string run_in_v1(const std::string& arguments) const {
    return run_ok(arguments, "cd " + arg("v1") + "; ");
  }

  // `model` scores the pairs as version 0.1.0 did with `router`.
  void expect_scores(const std::string& model, const std::string& router) const {
    const std::vector<Json> scores =
        test::json_lines_of(run_in_v1("score " + model + " --input pairs.jsonl"));
    const std::vector<Json> before =
        test::json_lines_of(test::content(path("v1/scores_" + router + ".jsonl")));
    ASSERT_EQ(scores.size(), before.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      // Sums of some dozen products in float32, added up in another order on another processor.
      EXPECT_NEAR(scores[i].at("logprob"), before[i].at("logprob"), 1e-3) << model << " " << router;
      EXPECT_EQ(scores[i].at("tokens"), before[i].at("tokens"));
    }
  }
};

TEST_F(FormatsOfVersion1, ALibraryIsWholeAndItsArtefactsFit) {
  EXPECT_EQ(run_in_v1("library ls library"), "colour\nnumber\ntaste\n");
  run_in_v1("library verify library");
  for (const std::string router : {"arrow", "phatgoose"})
    expect_scores("tiny_llama --library library --top-k 2 --router " + router, router);
}

TEST_F(FormatsOfVersion1, ALibraryTakesAnotherExpert) {
  run_in_v1(
      "train -c experiment.json -k finetune_task_name=taste -k expert_name=sweet -k total_steps=2 --joint");
  EXPECT_EQ(run_in_v1("library ls library"), "colour\nnumber\nsweet\ntaste\n");
}

TEST_F(FormatsOfVersion1, ComposedModelsScoreAsTheyDid) {
  for (const std::string router : {"arrow", "phatgoose"}) {
    const std::filesystem::path file = path("v1/composed_" + router + "/quiver_model.json");
    Json model = read_json_file(file);
    model["base"]["path"] =
        test::golden_path("tiny_llama").string();  // as docs/formats.md says of another machine
    write_file_atomic(file, dump_json(model));
    expect_scores("composed_" + router, router);
  }
}

TEST_F(FormatsOfVersion1, ACheckpointIsGoneOnFrom) {
  std::string checkpoint = test::content(path("v1/checkpoint.safetensors"));
  // The mark by which to see that the run did not begin anew: the first loss is kept, never looked at.
  const std::string key = "first_loss\\\":";
  const std::size_t digit = checkpoint.find(key) + key.size();
  ASSERT_EQ(checkpoint.at(digit), '9');
  checkpoint[digit] = '1';
  std::filesystem::create_directories(path("v1/output/checkpoints"));
  write_file_atomic(path("v1/output/checkpoints/taste.safetensors"), checkpoint);
  run_in_v1(
      "train -c experiment.json --resume -k finetune_task_name=taste -k total_steps=60 -k save_every=8 "
      "-k library_id=resumed");
  const Json expert = Json::parse(run_in_v1("library show resumed taste"));
  EXPECT_LT(expert.at("metrics").at("first_loss"), 2);
  const Json whole = Json::parse(run_in_v1("library show uninterrupted taste"));
  EXPECT_EQ(expert.at("training"), whole.at("training"));
  // Some fifty steps follow the checkpoint; each rounds anew on another processor.
  EXPECT_NEAR(expert.at("metrics").at("last_loss"), whole.at("metrics").at("last_loss"), 1e-2);
}

TEST_F(FormatsOfVersion1, ClustersGiveAnExpertEach) {
  run_in_v1(
      "train -c experiment.json -k finetune_task_path=clusters.json -k library_id=clustered -k "
      "total_steps=2");
  const std::vector<Json> experts = test::json_lines_of(run_in_v1("library show clustered"));
  ASSERT_EQ(experts.size(), 2U);
  EXPECT_EQ(experts[0].at("tasks"), Json::array({"colour", "taste"}));
  EXPECT_EQ(experts[1].at("tasks"), Json::array({"number"}));
}

TEST_F(FormatsOfVersion1, ResultsAreDrawn) {
  run_in_v1("plot results.json --out results.svg");
  const std::string picture = test::content(path("v1/results.svg"));
  EXPECT_NE(picture.find("66.7"), std::string::npos);
  EXPECT_NE(picture.find("oracle"), std::string::npos);
}

}  // namespace
}  // namespace quiver
