#include "train/lora_trainer.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;
using test::max_difference;
using test::random_tensor;

std::vector<std::string> matched(const std::string& modules, const std::string& layers) {
  const BaseModel& base = *golden_base("tiny_llama");
  std::vector<std::string> result;
  for (const std::int64_t slot : match_slots(base, {.modify_modules = modules, .modify_layers = layers})) {
    result.push_back(base.slots()[static_cast<std::size_t>(slot)].path);
  }
  return result;
}

TEST(MatchSlots, BothPatternsAreMatchedWhole) {
  EXPECT_EQ(matched(".*self_attn", "q_proj|v_proj"),
            (std::vector<std::string>{"model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj",
                                      "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj"}));
  EXPECT_EQ(matched("model.layers.1.mlp", ".*"),
            (std::vector<std::string>{"model.layers.1.mlp.gate_proj", "model.layers.1.mlp.up_proj",
                                      "model.layers.1.mlp.down_proj"}));
  EXPECT_EQ(matched(".*", ".*").size(), 14u);
}

TEST(MatchSlots, WithoutLayersThePathAloneDecides) {
  EXPECT_EQ(matched(".*1.self_attn.[qk]_proj", ""),
            (std::vector<std::string>{"model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.k_proj"}));
  EXPECT_EQ(matched(".*", "").size(), 14u);
}

TEST(MatchSlots, RefusesPatternsThatMatchNothing) {
  const std::string message = error_message([] { matched(".*self_attn", "q_pro"); });
  EXPECT_NE(message.find("no linear layer matches modify_modules '.*self_attn' and modify_layers 'q_pro'"),
            std::string::npos);
  EXPECT_NE(message.find("the first layer has model.layers.0.self_attn.q_proj, "), std::string::npos);
  EXPECT_NE(error_message([] { matched("(", ""); }).find("modify_modules: '(' is not a regular expression"),
            std::string::npos);
  EXPECT_NE(error_message([] { matched(".*", "["); }).find("modify_layers: '['"), std::string::npos);
}

class LoraTrainerTest : public testing::Test {
 protected:
  const BaseModel& base_ = *golden_base("tiny_llama");
  LoraConfig config_{.rank = 3,
                     .alpha = 6,
                     .dropout = 0,
                     .modify_modules = ".*",
                     .modify_layers = "q_proj|v_proj|down_proj",
                     .init_b_random = true};

  // The adapter's update of layer 0's q, k, v for x.
  at::Tensor update(const LoraTrainer& trainer, const at::Tensor& x) const {
    const at::NoGradGuard no_gradients;
    return trainer.apply(base_.groups()[0], x, at::zeros({x.size(0), base_.groups()[0].out}));
  }
};

TEST_F(LoraTrainerTest, AddsScaleTimesXATBTInItsColumns) {
  const LoraTrainer trainer(base_, config_, {}, 5);
  const at::Tensor x = random_tensor({7, 32}, 1);
  const std::map<std::string, LoraWeights> weights = trainer.weights();
  const auto of = [&](const std::string& name) {
    const LoraWeights& lora = weights.at("model.layers.0.self_attn." + name);
    return at::mm(at::mm(x, lora.a.t()), lora.b.t()) * 2.0;
  };
  const at::Tensor expected = at::cat({of("q_proj"), at::zeros({7, 16}), of("v_proj")}, 1);
  EXPECT_LT(max_difference(update(trainer, x), expected), 1e-5);
}

TEST_F(LoraTrainerTest, StartsAsTheReferenceDoes) {
  config_.init_b_random = false;
  const LoraTrainer trainer(base_, config_, {}, 5);
  const std::map<std::string, LoraWeights> weights = trainer.weights();
  ASSERT_EQ(weights.size(), 6u);
  for (const auto& [path, lora] : weights) {
    const double bound = 1 / std::sqrt(3.0 * static_cast<double>(lora.a.size(1)));
    const double largest = lora.a.abs().max().item<double>();
    EXPECT_LE(largest, bound * 1.0001) << path;
    EXPECT_GT(largest, 0.9 * bound) << path;  // of 96 or more uniform numbers
    EXPECT_FALSE(lora.b.any().item<bool>()) << path;
    EXPECT_EQ(lora.scale, 2.0);
  }
  const LoraTrainer same(base_, config_, {}, 5), other(base_, config_, {}, 6);
  const std::string path = "model.layers.1.mlp.down_proj";
  EXPECT_TRUE(at::equal(same.weights().at(path).a, weights.at(path).a));
  EXPECT_FALSE(at::equal(other.weights().at(path).a, weights.at(path).a));
}

TEST_F(LoraTrainerTest, DropoutOnlyInTrainingAndBySeed) {
  config_.dropout = 0.5;
  LoraTrainer trainer(base_, config_, {}, 5);
  const at::Tensor x = random_tensor({200, 32}, 1);
  trainer.begin_step(1);
  const at::Tensor first = update(trainer, x);
  EXPECT_FALSE(at::equal(update(trainer, x), first));  // the next layer's mask
  trainer.begin_step(1);
  EXPECT_TRUE(at::equal(update(trainer, x), first));
  trainer.begin_step(2);
  EXPECT_FALSE(at::equal(update(trainer, x), first));

  trainer.set_training(false);
  const at::Tensor whole = update(trainer, x);
  EXPECT_TRUE(at::equal(update(trainer, x), whole));
  // Kept inputs are scaled by 1 / (1 - p): the mean over many masks is the update without dropout.
  trainer.set_training(true);
  at::Tensor sum = at::zeros_like(whole);
  for (std::uint64_t step = 0; step < 400; ++step) {
    trainer.begin_step(step);
    sum += update(trainer, x);
  }
  const at::Tensor error = sum / 400 - whole;
  EXPECT_LT((error.square().mean() / whole.square().mean()).sqrt().item<double>(), 0.07);  // 1 / sqrt(400)
}

TEST_F(LoraTrainerTest, TrainsOnlyWhatTheNamesSay) {
  const std::int64_t a = 3 * (32 + 32 + 64), b = 3 * (32 + 16 + 32);  // of one layer
  const auto count = [&](const std::string& trainable, const std::optional<std::string>& frozen) {
    LoraTrainer trainer(base_, config_, {trainable, frozen}, 5);
    return trainer.parameters().values().numel();
  };
  EXPECT_EQ(count(".*", std::nullopt), 2 * (a + b));
  EXPECT_EQ(count(".*lora_b", std::nullopt), 2 * b);
  EXPECT_EQ(count(".*", ".*lora_a"), 2 * b);
  EXPECT_EQ(count(".*layers.1.*", ".*mlp.*"), 3 * (32 + 32 + 32 + 16));
  EXPECT_NE(error_message([&] {
              count("lora", std::nullopt);
            }).find("no adapter parameter matches trainable_param_names 'lora'"),
            std::string::npos);
  EXPECT_NE(error_message([&] { count(".*", "("); }).find("non_trainable_param_names: '('"),
            std::string::npos);
  EXPECT_NE(error_message([&] {
              count(".*", ".*");
            }).find("non_trainable_param_names '.*' takes out every adapter parameter |"),
            std::string::npos);
  EXPECT_NE(error_message([&] {
              count(".*lora_b", ".*");
            }).find("takes out every adapter parameter that matches trainable_param_names '.*lora_b' |"),
            std::string::npos);
}

TEST_F(LoraTrainerTest, TiedParametersAreOne) {
  const std::string attention = "model.layers.0.self_attn.";
  config_.modify_layers = "q_proj|k_proj|v_proj|down_proj";
  const std::int64_t a = 3 * (32 + 64), b = 3 * (32 + 16 + 16 + 32);  // of one layer; q, k and v share an A
  LoraTrainer trainer(base_, config_, {.tied = "(q|k|v)_proj.lora_a"}, 5);
  EXPECT_EQ(trainer.parameters().values().numel(), 2 * (a + b));
  trainer.parameters().values().add_(0.25);  // as a step changes them
  const std::map<std::string, LoraWeights> weights = trainer.weights();
  for (const char* name : {"k_proj", "v_proj"})
    EXPECT_TRUE(at::equal(weights.at(attention + name).a, weights.at(attention + "q_proj").a)) << name;
  const std::string other = "model.layers.1.self_attn.q_proj";
  EXPECT_FALSE(at::equal(weights.at(other).a, weights.at(attention + "q_proj").a));
  // Untied, q's start is the same: what is drawn for the others is passed over.
  const LoraTrainer untied(base_, config_, {}, 5);
  EXPECT_TRUE(at::equal(untied.weights().at(other).a + 0.25, weights.at(other).a));
  EXPECT_FALSE(
      at::equal(untied.weights().at(attention + "k_proj").a, untied.weights().at(attention + "q_proj").a));
  // Frozen with the name of the first.
  LoraTrainer frozen(base_, config_, {.frozen = ".*q_proj.lora_a", .tied = "(q|k|v)_proj.lora_a"}, 5);
  EXPECT_EQ(frozen.parameters().values().numel(), 2 * (3 * 64 + b));
}

TEST_F(LoraTrainerTest, RefusesTiesThatDoNotHold) {
  config_.modify_layers = "q_proj|k_proj|v_proj";
  const auto refusal = [&](const std::string& tied) {
    return error_message([&] { LoraTrainer(base_, config_, {.tied = tied}, 5); });
  };
  const std::string hint = " | it should read like 'q_proj.lora_a|k_proj.lora_a|v_proj.lora_a'";
  EXPECT_EQ(refusal("gate_proj.lora_a"),
            "tie_params 'gate_proj.lora_a' ties no two adapter parameters, such as "
            "'model.layers.0.self_attn.q_proj.lora_a'" +
                hint);
  EXPECT_EQ(refusal("k_proj.lora_a"),
            "tie_params 'k_proj.lora_a' ties no two adapter parameters, such as "
            "'model.layers.0.self_attn.q_proj.lora_a'" +
                hint);
  EXPECT_EQ(
      refusal("q_proj|k_proj"),
      "tie_params 'q_proj|k_proj' matches 'q_proj' inside 'model.layers.0.self_attn.q_proj.lora_a', not a "
      "whole end of it" +
          hint);
  EXPECT_EQ(refusal("(q|k)_proj.lora_b"),
            "tie_params '(q|k)_proj.lora_b' ties 'model.layers.0.self_attn.k_proj.lora_b' to "
            "'model.layers.0.self_attn.q_proj.lora_b' of another size");
  EXPECT_NE(refusal("(").find("tie_params: '(' is not a regular expression"), std::string::npos);
}

TEST_F(LoraTrainerTest, ARankThatNoMemoryHoldsIsNamed) {
  config_.rank = std::int64_t{1} << 40;  // 2^40 * 100 numbers and more
  EXPECT_NE(error_message([&] { LoraTrainer(base_, config_, {}, 5); }).find("lora_rank 1099511627776 needs "),
            std::string::npos);
}

TEST_F(LoraTrainerTest, RefusesRanksAndDropoutsOutOfRange) {
  for (const auto& [rank, dropout] : {std::pair{0, 0.0}, {-1, 0.0}, {1, 1.0}, {1, -0.1}}) {
    config_.rank = rank;
    config_.dropout = dropout;
    EXPECT_NE(error_message([&] {
                LoraTrainer(base_, config_, {}, 5);
              }).find("lora_rank must be at least 1 and lora_dropout in [0, 1)"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace quiver
