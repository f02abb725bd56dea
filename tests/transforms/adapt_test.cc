#include <cmath>

#include "core/files.h"
#include "quiver/adaptation.h"
#include "support/golden.h"
#include "support/tensors.h"
#include "train/expert_mixture.h"
#include "train/loop.h"
#include "train/training_examples.h"

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;
using test::max_difference;

// Two experts that learned to answer the same questions, one with "far", one with "a quiver".
class AdaptTest : public testing::Test {
 protected:
  AdaptTest() {
    for (const std::string answer : {"far", "a quiver"}) {
      TrainingOptions options;
      options.lora = {
          .rank = 2, .alpha = 4, .modify_modules = ".*self_attn", .modify_layers = "q_proj|v_proj"};
      options.learning_rate = 0.02;
      options.clip_norm = 1;
      options.total_steps = 40;
      library_.add(train_expert(*golden_base("tiny_llama"), answer == "far" ? "far" : "quiver",
                                rows("learned", answer, 0), options));
    }
  }

  // Eight rows of questions that begin with number `first`.
  TaskDataset rows(const std::string& task, const std::string& answer, int first) {
    std::string lines;
    for (int i = first; i < first + 8; ++i) {
      lines += dump_json({{"source", "Question " + std::to_string(i * i) + ": what flies?\nAnswer:"},
                          {"target", answer},
                          {"task_name", task},
                          {"split", "train"}}) +
               "\n";
    }
    write_file_atomic(scratch_ / "rows.jsonl", lines);
    return TaskDataset::load({.path = (scratch_ / "rows.jsonl").string()});
  }

  Expert adapt(const TaskDataset& data) {
    return adapt_experts(library_, *golden_base("tiny_llama"), data, options_, "adapted");
  }

  static std::vector<double> weights_of(const Expert& expert) {
    return expert.info.training.at("adapt").at("weights").get<std::vector<double>>();
  }

  // That the expert is the weighted sum of the library's, update by update, and its losses those of its rows.
  void expect_sum(const Expert& adapted, const TaskDataset& data) {
    const std::vector<double> weights = weights_of(adapted);
    std::vector<Expert> experts = {library_.load("far"), library_.load("quiver")};
    for (const auto& [path, lora] : adapted.modules) {
      at::Tensor expected = at::zeros({lora.b.size(0), lora.a.size(1)}, at::kDouble);
      for (std::size_t e = 0; e < experts.size(); ++e) {
        const LoraWeights& own = experts[e].modules.at(path);
        expected += weights[e] * own.scale * at::mm(own.b.to(at::kDouble), own.a.to(at::kDouble));
      }
      EXPECT_EQ(lora.a.size(0), 4) << path;
      EXPECT_LT(max_difference(at::mm(lora.b, lora.a) * lora.scale, expected), 1e-6) << path;
    }
    const BaseModel& base = *golden_base("tiny_llama");
    const ExpertMixture mixture(base, experts);
    const auto loss = [&](double first, double second) {
      const at::Tensor both = at::tensor({static_cast<float>(first), static_cast<float>(second)});
      return validation_loss(base, WeightedExperts(mixture, both),
                             tokenize_examples(base, data.examples(Split::kTrain), options_.training), 1024);
    };
    EXPECT_NEAR(adapted.info.metrics.at("loss"), loss(weights[0], weights[1]), 1e-4);
    EXPECT_NEAR(adapted.info.metrics.at("base_loss"), loss(0, 0), 1e-4);
    EXPECT_LT(adapted.info.metrics.at("loss"), loss(0.5, 0.5)) << "better than the mean of all";
  }

  const test::ScratchDirectory scratch_;
  ExpertLibrary library_ = ExpertLibrary::create((scratch_ / "library").string());
  AdaptOptions options_;
};

TEST_F(AdaptTest, TheGradientFindsTheExpertOfTheTask) {
  for (const auto& [answer, own] : {std::pair{"far", 0}, {"a quiver", 1}}) {
    const TaskDataset data = rows("new", answer, 100);
    const Expert adapted = adapt(data);
    const std::vector<double> weights = weights_of(adapted);
    EXPECT_GT(weights[static_cast<std::size_t>(own)], 0.8) << answer;
    EXPECT_NEAR(weights[0] + weights[1], 1, 1e-6);
    expect_sum(adapted, data);
  }
}

TEST_F(AdaptTest, TheSearchFindsTheExpertOfTheTask) {
  options_.method = AdaptMethod::kLoraHub;
  options_.evaluations = 60;
  const TaskDataset data = rows("new", "a quiver", 100);
  std::int64_t evaluations = 0;
  const Expert adapted =
      adapt_experts(library_, *golden_base("tiny_llama"), data, options_, "adapted",
                    [&](const TrainingStep& step) { EXPECT_EQ(step.step, ++evaluations); });
  EXPECT_EQ(evaluations, 60);
  const std::vector<double> weights = weights_of(adapted);
  EXPECT_GT(weights[1], 0.5);
  EXPECT_GT(weights[1], std::abs(weights[0]));
  for (const double weight : weights) EXPECT_LE(std::abs(weight), 1.5);
  expect_sum(adapted, data);
  EXPECT_EQ(weights_of(adapt(data)), weights) << "the seed decides";
}

TEST_F(AdaptTest, ATokenStopsBothMethods) {
  const TaskDataset data = rows("new", "a quiver", 100);
  for (const AdaptMethod method : {AdaptMethod::kGradient, AdaptMethod::kLoraHub}) {
    std::stop_source stop;
    options_.method = method;
    options_.training.stop = stop.get_token();
    const std::string message = error_message([&] {
      adapt_experts(library_, *golden_base("tiny_llama"), data, options_, "adapted",
                    [&](const TrainingStep& step) {
                      if (step.step == 3) stop.request_stop();
                    });
    });
    EXPECT_EQ(message, method == AdaptMethod::kGradient
                           ? "interrupted after step 3 of " + std::to_string(options_.training.total_steps)
                           : "interrupted after evaluation 3 of " + std::to_string(options_.evaluations));
  }
}

TEST_F(AdaptTest, TheRecordSaysHowItWasMade) {
  options_.training.total_steps = 2;
  options_.experts = {"quiver", "far"};
  options_.rank = 3;
  TaskDataset data = rows("new", "far", 100);
  data.subsample(Split::kTrain, 1, false);
  const Expert adapted = adapt(data);
  EXPECT_EQ(adapted.info.name, "adapted");
  EXPECT_EQ(adapted.info.tasks, std::vector<std::string>{"new"});
  EXPECT_EQ(adapted.info.base_fingerprint, golden_base("tiny_llama")->fingerprint());
  EXPECT_EQ(adapted.info.lora.rank, 3);
  Json record = adapted.info.training.at("adapt");
  EXPECT_EQ(record.at("weights").size(), 2u);
  record.erase("weights");
  EXPECT_EQ(record, (Json{{"method", "gradient"},
                          {"experts", {"quiver", "far"}},
                          {"shots", 1},
                          {"seed", 42},
                          {"n_steps", 2},
                          {"learning_rate", 0.3},
                          {"batch_size", 4},
                          {"rank", 3}}));
}

TEST_F(AdaptTest, Refusals) {
  const TaskDataset data = rows("new", "far", 100);
  options_.experts = {"fra"};
  EXPECT_NE(error_message([&] { adapt(data); }).find("did you mean 'far'"), std::string::npos);
  options_.experts = {};
  options_.evaluations = 0;
  EXPECT_EQ(error_message([&] { adapt(data); }), "evaluations must be at least 1, not 0");
  options_.evaluations = 1;
  options_.training.max_input_length = 1;
  EXPECT_NE(
      error_message([&] { adapt(data); }).find("there is no training example with a target for 'adapted'"),
      std::string::npos);
  options_.training.max_input_length = 100;
  Expert foreign = library_.load("far");
  foreign.info.name = "foreign";
  foreign.info.base_fingerprint = "0123";
  library_.add(foreign);
  EXPECT_NE(error_message([&] { adapt(data); }).find("'foreign'"), std::string::npos);
  const ExpertLibrary empty = ExpertLibrary::create((scratch_ / "empty").string());
  EXPECT_NE(error_message([&] {
              adapt_experts(empty, *golden_base("tiny_llama"), data, options_, "adapted");
            }).find("has no expert to adapt"),
            std::string::npos);
  EXPECT_EQ(error_message([] { parse_adapt_method("lorahubb"); }),
            "unknown method 'lorahubb'; methods are gradient, lorahub | did you mean 'lorahub'?");
}

}  // namespace
}  // namespace quiver
