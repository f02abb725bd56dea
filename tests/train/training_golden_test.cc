// Golden files: tests/golden/make_training_steps.py, tests/golden/make_phatgoose_gate.py.
#include "support/golden.h"
#include "support/tensors.h"
#include "tensor/safetensors.h"
#include "train/gate_trainer.h"
#include "train/loop.h"
#include "train/lora_trainer.h"
#include "train/optimizer.h"

namespace quiver {
namespace {

using test::golden_base;
using test::golden_json;
using test::max_difference;

// The reference in float32 is within 2e-6 of itself in float64 in losses, 1e-6 in weights.
constexpr double kLossTolerance = 1e-5, kGradientTolerance = 1e-5, kWeightTolerance = 2e-5;

SafetensorsFile golden_tensors(const std::string& name) {
  return SafetensorsFile::open(test::golden_path(name));
}

std::vector<std::vector<TokenizedExample>> golden_batches() {
  std::vector<std::vector<TokenizedExample>> batches;
  const Json golden = golden_json("training_steps.json");  // outlives the loops over its parts
  for (const Json& batch : golden.at("batches")) {
    batches.emplace_back();
    for (const Json& example : batch) {
      batches.back().push_back(
          {test::ids_of(example.at("ids")), example.at("target_begin").get<std::int32_t>()});
    }
  }
  return batches;
}

std::vector<const TokenizedExample*> pointers(const std::vector<TokenizedExample>& examples) {
  std::vector<const TokenizedExample*> result;
  for (const TokenizedExample& example : examples) result.push_back(&example);
  return result;
}

TrainingOptions options_of(const Json& optimizer, const Json& clip_norm) {
  TrainingOptions options;
  options.learning_rate = optimizer.at("learning_rate").get<double>();
  options.weight_decay = optimizer.at("weight_decay").get<double>();
  options.adam_epsilon = optimizer.at("eps").get<double>();
  options.clip_norm = clip_norm.is_null() ? 0 : clip_norm.get<double>();
  options.lora = {.rank = 4,
                  .alpha = 8,
                  .dropout = 0,
                  .modify_modules = ".*",
                  .modify_layers = "q_proj|k_proj|v_proj",
                  .init_b_random = false};
  return options;
}

// One case of training_steps.json.
class TrainingStepsTest : public testing::TestWithParam<int> {
 protected:
  const Json golden_ = golden_json("training_steps.json");
  const Json case_ = golden_.at("cases").at(static_cast<std::size_t>(GetParam()));
  const std::string name_ = case_.at("name").get<std::string>();
  const BaseModel& base_ = *golden_base(case_.at("model").get<std::string>());
  const SafetensorsFile tensors_ = golden_tensors("training_steps.safetensors");
  TrainingOptions options_ = options_of(golden_.at("optimiser"), case_.at("max_grad_norm"));
  const ParameterChoice choice_{
      .tied = case_.contains("tied") ? std::optional(std::string("[qkv]_proj\\.lora_a")) : std::nullopt};

  std::vector<std::string> paths() const {
    std::vector<std::string> result;
    for (const std::int64_t slot : match_slots(base_, options_.lora))
      result.push_back(base_.slots()[static_cast<std::size_t>(slot)].path);
    return result;
  }

  std::map<std::string, LoraWeights> initial() const {
    std::map<std::string, LoraWeights> result;
    for (const std::string& path : paths()) {
      const std::string key = name_ + "/initial/" + path;
      // The own start of an A that is another's is never looked at.
      const at::Tensor a =
          tensors_.contains(key + ".a") ? tensors_.read(key + ".a") : at::full({4, 32}, 123.0);
      result[path] = {a, tensors_.read(key + ".b"), 2.0};
    }
    return result;
  }

  LoraTrainer trainer() const { return {base_, options_.lora, choice_, 1, initial()}; }

  // The adapter's gradients against those of the first update.
  void expect_first_gradients(LoraTrainer& trainer) const {
    std::size_t index = 0;
    for (const std::string& module : paths()) {
      for (const char* side : {".a", ".b"}) {
        const std::string key = name_ + "/first_gradient/" + module + side;
        if (!tensors_.contains(key)) continue;  // another's
        EXPECT_LT(max_difference(trainer.parameters().leaf(index++).grad(), tensors_.read(key)),
                  kGradientTolerance)
            << key;
      }
    }
    EXPECT_EQ(trainer.parameters().size(), index);
  }
};

TEST_P(TrainingStepsTest, LossesGradientsAndWeights) {
  SCOPED_TRACE(name_);
  LoraTrainer trainer = this->trainer();
  FlatOptimizer optimizer(options_, trainer.parameters().values().numel());
  const auto batches = golden_batches();
  const Json& warmup = case_.at("warmup_steps");
  const auto steps = golden_.at("steps").get<std::int64_t>();
  for (std::int64_t step = 0; step < steps; ++step) {
    const auto index = static_cast<std::size_t>(step);
    const BatchLoss loss =
        accumulate_gradients(base_, trainer, pointers(batches[index % batches.size()]), options_);
    EXPECT_NEAR(loss.loss, case_.at("losses").at(index).get<double>(), kLossTolerance) << step;
    if (step == 0) expect_first_gradients(trainer);
    const double factor = warmup.is_null()
                              ? 1.0
                              : schedule_factor(Schedule::kLinearDecay, step, steps,
                                                warmup.get<std::int64_t>(), options_.learning_rate);
    EXPECT_NEAR(factor, case_.at("learning_rate_multipliers").at(index).get<double>(), 1e-12) << step;
    const double norm = optimizer.step(trainer.parameters().values(), trainer.parameters().gradients(),
                                       options_.learning_rate * factor);
    EXPECT_NEAR(norm, case_.at("gradient_norms").at(index).get<double>(), 1e-5 * norm) << step;
  }
  for (const auto& [path, weights] : trainer.weights()) {
    EXPECT_EQ(weights.scale, 2.0);
    const std::string key = name_ + "/final/" + path;
    const std::string source = path.substr(0, path.rfind('.')) + ".q_proj";
    const std::string a_key = choice_.tied ? name_ + "/final/" + source : key;
    EXPECT_LT(max_difference(weights.a, tensors_.read(a_key + ".a")), kWeightTolerance) << path;
    EXPECT_LT(max_difference(weights.b, tensors_.read(key + ".b")), kWeightTolerance) << path;
  }
}

// However a batch is cut into pieces, the gradient of its token mean is the same.
TEST_P(TrainingStepsTest, MicroBatchesDoNotChangeTheGradient) {
  SCOPED_TRACE(name_);
  const auto batches = golden_batches();
  for (const std::int64_t budget : {1, 12, 30}) {
    options_.token_budget = budget;
    LoraTrainer trainer = this->trainer();
    accumulate_gradients(base_, trainer, pointers(batches[0]), options_);
    expect_first_gradients(trainer);
  }
  options_.loss_mean = LossMean::kMicroBatchMean;  // without a size, of one micro-batch
  LoraTrainer whole = this->trainer();
  accumulate_gradients(base_, whole, pointers(batches[0]), options_);
  expect_first_gradients(whole);
  options_.loss_mean = LossMean::kTokenMean;
  options_.micro_batch_size = 2;
  LoraTrainer trainer = this->trainer();
  accumulate_gradients(base_, trainer, pointers(batches[0]), options_);
  expect_first_gradients(trainer);
}

INSTANTIATE_TEST_SUITE_P(Cases, TrainingStepsTest, testing::Range(0, 6));

TEST(PhatgooseGateGolden, LossesGradientsAndGates) {
  const Json golden = golden_json("phatgoose_gate.json");
  const SafetensorsFile tensors = golden_tensors("phatgoose_gate.safetensors");
  const SafetensorsFile trained = golden_tensors("training_steps.safetensors");
  const BaseModel& base = *golden_base("tiny_llama");
  const TrainingOptions options = options_of(golden.at("optimiser"), golden.at("max_grad_norm"));
  Expert expert;
  for (const std::int64_t slot : match_slots(base, options.lora)) {
    const std::string& path = base.slots()[static_cast<std::size_t>(slot)].path;
    const std::string key = "llama/final/" + path;
    expert.modules[path] = {trained.read(key + ".a"), trained.read(key + ".b"), 2.0};
  }
  const std::string digest = expert_digest(expert);
  GateTrainer trainer(base, expert);
  FlatOptimizer optimizer(options, trainer.parameters().values().numel());
  const auto batches = golden_batches();
  for (std::size_t step = 0; step < golden.at("steps").get<std::size_t>(); ++step) {
    const BatchLoss loss =
        accumulate_gradients(base, trainer, pointers(batches[step % batches.size()]), options);
    EXPECT_NEAR(loss.loss, golden.at("losses").at(step).get<double>(), kLossTolerance) << step;
    if (step == 0) {
      std::size_t index = 0;
      for (const auto& [path, gate] : trainer.gates()) {
        EXPECT_FALSE(gate.any().item<bool>()) << "gates start at zero";
      }
      for (const std::int64_t slot : match_slots(base, options.lora)) {
        const std::string& path = base.slots()[static_cast<std::size_t>(slot)].path;
        EXPECT_LT(max_difference(trainer.parameters().leaf(index++).grad(),
                                 tensors.read("first_gradient/" + path + ".gate")),
                  kGradientTolerance)
            << path;
      }
    }
    optimizer.step(trainer.parameters().values(), trainer.parameters().gradients(), options.learning_rate);
  }
  for (const auto& [path, gate] : trainer.gates()) {
    EXPECT_LT(max_difference(gate, tensors.read("final/" + path + ".gate")), kWeightTolerance) << path;
  }
  EXPECT_EQ(expert_digest(expert), digest);
}

}  // namespace
}  // namespace quiver
