#include "train/expert_mixture.h"

#include <cmath>

#include "support/golden.h"
#include "support/tensors.h"
#include "train/loop.h"

namespace quiver {
namespace {

using test::golden_base;
using test::max_difference;
using test::random_tensor;

class ExpertMixtureTest : public testing::Test {
 protected:
  // q and v of different rank; the second expert has no v, but an output projection.
  ExpertMixtureTest() {
    experts_.resize(2);
    experts_[0].info.name = "first";
    experts_[0].modules[kQ] = {random_tensor({2, 32}, 1), random_tensor({32, 2}, 2), 0.5};
    experts_[0].modules[kV] = {random_tensor({3, 32}, 3), random_tensor({16, 3}, 4), 2};
    experts_[1].info.name = "second";
    experts_[1].modules[kQ] = {random_tensor({1, 32}, 5), random_tensor({32, 1}, 6), 1};
    experts_[1].modules[kO] = {random_tensor({2, 32}, 7), random_tensor({32, 2}, 8), 1};
  }

  at::Tensor update(std::size_t expert, const std::string& module, const at::Tensor& x) const {
    const LoraWeights& lora = experts_[expert].modules.at(module);
    return at::mm(at::mm(x, lora.a.t()), lora.b.t()) * lora.scale;
  }

  const std::string kQ = "model.layers.0.self_attn.q_proj", kV = "model.layers.0.self_attn.v_proj",
                    kO = "model.layers.0.self_attn.o_proj";
  const BaseModel& base_ = *golden_base("tiny_llama");
  std::vector<Expert> experts_;
};

TEST_F(ExpertMixtureTest, AddsEveryUpdateTimesItsWeight) {
  const ExpertMixture mixture(base_, experts_);
  const at::Tensor x = random_tensor({5, 32}, 9), y = random_tensor({5, 64}, 10);
  const WeightedExperts adapter(mixture, at::tensor({0.25f, -3.f}));
  const at::Tensor expected = y + at::cat({0.25 * update(0, kQ, x) - 3 * update(1, kQ, x), at::zeros({5, 16}),
                                           0.25 * update(0, kV, x)},
                                          1);
  EXPECT_LT(max_difference(adapter.apply(base_.groups()[0], x, y.clone()), expected), 1e-4);
  EXPECT_LT(max_difference(adapter.apply(base_.groups()[1], x, at::zeros({5, 32})), -3 * update(1, kO, x)),
            1e-4);
  EXPECT_TRUE(at::equal(adapter.apply(base_.groups()[2], x, y.clone()), y)) << "no expert adapts it";
}

TEST_F(ExpertMixtureTest, WeightsAreSigmoidsOverTheirSum) {
  const ExpertMixture mixture(base_, experts_);
  MixtureTrainer trainer(mixture);
  EXPECT_LT(max_difference(trainer.weights().detach(), at::tensor({0.5f, 0.5f})), 1e-7);
  trainer.parameters().values().copy_(at::tensor({std::log(3.f), 0.f}));  // sigmoids 3/4 and 1/2
  EXPECT_LT(max_difference(trainer.weights().detach(), at::tensor({0.6f, 0.4f})), 1e-6);
}

TEST_F(ExpertMixtureTest, GradientsMatchFiniteDifferences) {
  for (Expert& expert : experts_) {
    for (auto& [path, lora] : expert.modules) lora.scale *= 0.05;  // so that the loss is no chaos of them
  }
  const ExpertMixture mixture(base_, experts_);
  MixtureTrainer trainer(mixture);
  const TokenizedExample example{{5, 90, 17, 203, 44, 8}, 2};
  const TrainingOptions options;
  const auto loss_at = [&](float first, float second) {
    trainer.parameters().values().copy_(at::tensor({first, second}));
    trainer.parameters().gradients().zero_();
    return accumulate_gradients(base_, trainer, {&example}, options).loss;
  };
  loss_at(0.3f, -0.2f);
  const at::Tensor gradient = trainer.parameters().gradients().clone();
  constexpr float kStep = 0.05f;  // the loss has some 1e-6 of rounding, and terms of third order beside
  const double first = (loss_at(0.3f + kStep, -0.2f) - loss_at(0.3f - kStep, -0.2f)) / (2 * kStep);
  const double second = (loss_at(0.3f, -0.2f + kStep) - loss_at(0.3f, -0.2f - kStep)) / (2 * kStep);
  EXPECT_GT(std::abs(first), 1e-3) << "the test proves something";
  EXPECT_NEAR(gradient[0].item<double>(), first, 1e-4 + 1e-2 * std::abs(first));
  EXPECT_NEAR(gradient[1].item<double>(), second, 1e-4 + 1e-2 * std::abs(second));
}

}  // namespace
}  // namespace quiver
