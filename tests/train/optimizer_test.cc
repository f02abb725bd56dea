#include "train/optimizer.h"

#include <cmath>

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::max_difference;

// One parameter of 2 with the gradient 3, and what a step of rate 0.1 with decay 0.5 makes of it.
double one_step(TrainingOptions options, int steps = 1) {
  options.learning_rate = 0.1;
  options.weight_decay = 0.5;
  at::Tensor parameter = at::full({1}, 2.0), gradient = at::empty({1});
  FlatOptimizer optimizer(options, 1);
  for (int step = 0; step < steps; ++step) {
    gradient.fill_(3.0);
    EXPECT_NEAR(optimizer.step(parameter, gradient, 0.1), 3.0, 1e-6);
    EXPECT_EQ(gradient.item<double>(), 0);
  }
  return parameter.item<double>();
}

TEST(FlatOptimizer, AdamWDecaysTheParameterItself) {
  // The first step moves by the rate whatever the gradient: 2 (1 - 0.1 * 0.5) - 0.1.
  EXPECT_NEAR(one_step({.clip_norm = 0}), 1.8, 1e-6);
  // A constant gradient: every step moves by the rate again.
  EXPECT_NEAR(one_step({.clip_norm = 0}, 2), 1.8 * 0.95 - 0.1, 1e-6);
}

TEST(FlatOptimizer, AdamDecaysThroughTheGradient) {
  // The decay only changes the gradient's size, 3 + 0.5 * 2, and the first step is of the rate's size.
  EXPECT_NEAR(one_step({.optimizer = Optimizer::kAdam, .clip_norm = 0}), 1.9, 1e-6);
}

TEST(FlatOptimizer, AdamsSecondStepWithAnotherGradient) {
  // Gradients 1 then 3 without decay: m = 0.1 * 0.9 + 0.1 * 3 = 0.39, v = 0.001 * 0.999 + 0.001 * 9.
  TrainingOptions options{.optimizer = Optimizer::kAdam, .weight_decay = 0, .clip_norm = 0};
  at::Tensor parameter = at::zeros({1}), gradient = at::ones({1});
  FlatOptimizer optimizer(options, 1);
  optimizer.step(parameter, gradient, 0.1);
  gradient.fill_(3.0);
  optimizer.step(parameter, gradient, 0.1);
  const double mean = 0.39 / (1 - 0.81), square = 0.009999 / (1 - 0.998001);
  EXPECT_NEAR(parameter.item<double>(), -0.1 - 0.1 * mean / std::sqrt(square), 1e-6);
  EXPECT_NEAR(optimizer.first_moment.item<double>(), 0.39, 1e-7);
  EXPECT_NEAR(optimizer.second_moment.item<double>(), 0.009999, 1e-8);
}

TEST(FlatOptimizer, SgdIsTheGradientTimesTheRate) {
  EXPECT_NEAR(one_step({.optimizer = Optimizer::kSgd, .clip_norm = 0}), 2 * 0.95 - 0.3, 1e-6);
}

TEST(FlatOptimizer, ClipsToTheGlobalNorm) {
  const TrainingOptions options{.optimizer = Optimizer::kSgd, .weight_decay = 0, .clip_norm = 0.5};
  at::Tensor parameters = at::zeros({2}), gradients = at::tensor({3.0f, -4.0f});
  FlatOptimizer optimizer(options, 2);
  EXPECT_NEAR(optimizer.step(parameters, gradients, 1.0), 5.0, 1e-6);
  EXPECT_LT(max_difference(parameters, at::tensor({-0.3f, 0.4f})), 1e-6);
  gradients.copy_(at::tensor({0.03f, 0.04f}));  // below the limit: as they are
  optimizer.step(parameters, gradients, 1.0);
  EXPECT_LT(max_difference(parameters, at::tensor({-0.33f, 0.36f})), 1e-6);
}

TEST(ScheduleFactor, LinearDecayWithWarmup) {
  const auto factor = [](std::int64_t t) { return schedule_factor(Schedule::kLinearDecay, t, 10, 4, 0.01); };
  EXPECT_EQ(factor(0), 0.0);
  EXPECT_EQ(factor(3), 0.75);
  EXPECT_EQ(factor(4), 1.0);
  EXPECT_EQ(factor(7), 0.5);
  EXPECT_EQ(factor(10), 0.0);
  EXPECT_EQ(factor(99), 0.0);
  EXPECT_EQ(schedule_factor(Schedule::kLinearDecay, 0, 10, 0, 0.01), 1.0);
  EXPECT_EQ(schedule_factor(Schedule::kLinearDecay, 5, 5, 5, 0.01), 0.0);
}

TEST(ScheduleFactor, PolynomialDecayEndsAtItsFloor) {
  const auto factor = [](std::int64_t t) {
    return schedule_factor(Schedule::kPolynomialDecay, t, 10, 2, 0.01);
  };
  EXPECT_EQ(factor(1), 0.5);
  EXPECT_NEAR(factor(2), 1.0, 1e-12);
  EXPECT_NEAR(factor(6), ((0.01 - 1e-7) * 0.5 + 1e-7) / 0.01, 1e-12);
  EXPECT_NEAR(factor(10), 1e-5, 1e-12);
  EXPECT_NEAR(factor(50), 1e-5, 1e-12);
}

TEST(ScheduleFactor, WarmupStaysAtOneAndCosineFalls) {
  EXPECT_EQ(schedule_factor(Schedule::kWarmup, 1, 10, 4, 0.01), 0.25);
  EXPECT_EQ(schedule_factor(Schedule::kWarmup, 9, 10, 4, 0.01), 1.0);
  EXPECT_EQ(schedule_factor(Schedule::kWarmup, 0, 10, 0, 0.01), 1.0);
  EXPECT_EQ(schedule_factor(Schedule::kCosine, 0, 12, 4, 0.01), 1.0);  // it has no warm-up
  EXPECT_NEAR(schedule_factor(Schedule::kCosine, 4, 12, 4, 0.01), 0.75, 1e-12);
  EXPECT_NEAR(schedule_factor(Schedule::kCosine, 6, 12, 4, 0.01), 0.5, 1e-12);
  EXPECT_NEAR(schedule_factor(Schedule::kCosine, 12, 12, 4, 0.01), 0.0, 1e-12);
}

TEST(RunLength, StepsComeFromEpochsUnlessGiven) {
  const RunLength epochs = run_length({.warmup_steps = 7, .epochs = 3, .batch_size = 4}, 9);
  EXPECT_EQ(epochs.per_epoch, 3);
  EXPECT_EQ(epochs.total, 9);
  EXPECT_EQ(epochs.warmup, 0);  // int(0.06 * 9): the proportion wins over warmup_steps
  EXPECT_EQ(run_length({.epochs = 3, .total_steps = 50}, 9).total, 50);
  EXPECT_EQ(run_length({.epochs = 3, .total_steps = 50}, 9).warmup, 3);
  EXPECT_EQ(run_length({.warmup_steps = 7, .warmup_proportion = 0, .total_steps = 50}, 9).warmup, 7);
  EXPECT_EQ(run_length({.warmup_steps = -1, .warmup_proportion = 0, .total_steps = 50}, 9).warmup, 0);
  EXPECT_EQ(error_message([] { run_length({}, 9); }), "training needs num_train_epochs or total_steps");
  EXPECT_EQ(error_message([] { run_length({.epochs = 1, .batch_size = 0}, 9); }),
            "train_batch_size must be at least 1");
}

}  // namespace
}  // namespace quiver
