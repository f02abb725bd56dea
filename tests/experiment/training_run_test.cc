// Many trainings from the library alone: planned, stopped, gone on with, kept when the library cannot take
// them.
#include <set>
#include <stop_token>

#include "quiver/experiment.h"
#include "support/golden.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

class TrainingRunTest : public testing::Test {
 protected:
  TrainingRunTest() {
    std::string lines;
    for (const char* task : {"sky", "sea", "sun"}) {
      for (const char* word : {"a", "b", "c", "d"}) {
        lines += std::string(R"({"source": ")") + task + " " + word + R"(", "target": ")" + word +
                 R"(", "task_name": ")" + task + R"(", "split": "train"})" + "\n";
      }
    }
    write_file_atomic(scratch_ / "rows.jsonl", lines);
    config_.dataset = (scratch_ / "rows.jsonl").string();
    config_.include_task_source = "*";
    config_.output_dir = (scratch_ / "out").string();
    config_.total_steps = 3;
    config_.modify_modules = ".*self_attn";
    config_.modify_layers = "q_proj";
    config_.statistics_rows = 4;
  }

  void run(ExpertLibrary& library, const TrainingRunOptions& options = {},
           const TrainingRunObserver& observer = {}) const {
    const TaskDataset data = load_dataset(config_);
    run_trainings(*base_, data, plan_experts(config_, data), config_, library, options, observer);
  }

  const test::ScratchDirectory scratch_;
  const std::shared_ptr<const BaseModel> base_ = test::golden_base("tiny_llama");
  ExperimentConfig config_;
};

TEST_F(TrainingRunTest, PlansAnExpertPerTaskOrOneOnAll) {
  const TaskDataset data = load_dataset(config_);
  EXPECT_EQ(plan_experts(config_, data).size(), 3u);
  const std::vector<ExpertPlan> joint = plan_experts(config_, data, Joint::kYes);
  ASSERT_EQ(joint.size(), 1u);
  EXPECT_EQ(joint[0].name, "joint");
  EXPECT_EQ(std::set<std::string>(joint[0].tasks.begin(), joint[0].tasks.end()),
            (std::set<std::string>{"sea", "sky", "sun"}));
  config_.expert_name = "mine";
  EXPECT_EQ(error_message([&] { plan_experts(config_, data); }).substr(0, 61),
            "expert_name 'mine' names one expert, but 3 would be trained |");
  EXPECT_EQ(plan_experts(config_, data, Joint::kYes)[0].name, "mine");
}

TEST_F(TrainingRunTest, StopsGoesOnAndEndsAsIfItHadNotStopped) {
  ExpertLibrary whole = ExpertLibrary::open_or_create((scratch_ / "whole").string());
  run(whole);
  ExpertLibrary library = ExpertLibrary::open_or_create((scratch_ / "library").string());
  std::stop_source source;
  TrainingRunObserver observer;
  observer.on_step = [&](const std::string&, const TrainingStep& step) {
    if (step.step == 2) source.request_stop();
  };
  const TrainingRunOptions one_by_one{
      .resume = true, .side_by_side = {.at_once = 1}, .stop = source.get_token()};
  EXPECT_NE(error_message([&] { run(library, one_by_one, observer); }), "");
  EXPECT_TRUE(library.names().empty());

  std::size_t left = 0;
  std::vector<std::string> committed, statistics;
  observer = {};
  observer.on_begin = [&](std::span<const ExpertTraining> trainings) { left = trainings.size(); };
  observer.on_committed = [&](const std::string& expert) { committed.push_back(expert); };
  observer.on_statistics = [&](const std::string& expert, std::size_t of) {
    statistics.push_back(expert);
    EXPECT_EQ(of, 3u);
  };
  run(library, {.resume = true}, observer);
  EXPECT_EQ(left, 3u);
  EXPECT_EQ(committed.size(), 3u);
  EXPECT_EQ(statistics.size(), 3u);
  for (const std::string& name : whole.names()) {
    const Expert expected = whole.load(name), own = library.load(name);
    for (const auto& [path, weights] : expected.modules) {
      EXPECT_TRUE(at::equal(own.modules.at(path).a, weights.a)) << name << " " << path;
      EXPECT_TRUE(at::equal(own.modules.at(path).b, weights.b)) << name << " " << path;
    }
    EXPECT_FALSE(std::filesystem::exists(scratch_ / "out/checkpoints" / (name + ".safetensors")));
  }
  EXPECT_NE(error_message([&] { run(library); }).find("is in "), std::string::npos);
  run(library, {.resume = true},
      {.on_begin = [](std::span<const ExpertTraining> rest) { EXPECT_TRUE(rest.empty()); }});
}

}  // namespace
}  // namespace quiver
