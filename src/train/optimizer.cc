#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "quiver/error.h"

namespace quiver {

FlatOptimizer::FlatOptimizer(const TrainingOptions& options, std::int64_t size) : options_(options) {
  const bool has_moments = options.optimizer != Optimizer::kSgd;
  first_moment = at::zeros({has_moments ? size : 0});
  second_moment = at::zeros({has_moments ? size : 0});
}

double FlatOptimizer::step(at::Tensor& parameters, at::Tensor& gradients, double learning_rate) {
  const double norm = gradients.norm().item<double>();
  if (options_.clip_norm > 0) gradients.mul_(std::min(1.0, options_.clip_norm / (norm + 1e-6)));
  ++steps;
  constexpr double kBeta1 = 0.9, kBeta2 = 0.999;
  if (options_.optimizer == Optimizer::kSgd) {
    parameters.mul_(1.0 - learning_rate * options_.weight_decay).sub_(gradients, learning_rate);
  } else {
    // The fused operators take the number of this step.
    const at::Tensor step_number = at::scalar_tensor(static_cast<double>(steps));
    const auto update = [&](auto&& fused) {
      fused(at::TensorList{parameters}, at::TensorList{gradients}, at::TensorList{first_moment},
            at::TensorList{second_moment}, at::TensorList{}, at::TensorList{step_number}, learning_rate,
            kBeta1, kBeta2, options_.weight_decay, options_.adam_epsilon, false, false, std::nullopt,
            std::nullopt);
    };
    if (options_.optimizer == Optimizer::kAdamW) {
      update([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
    } else {
      update([](auto&&... arguments) { at::_fused_adam_(arguments...); });
    }
  }
  gradients.zero_();
  return norm;
}

double schedule_factor(Schedule schedule, std::int64_t t, std::int64_t total, std::int64_t warmup,
                       double learning_rate) {
  const auto at = static_cast<double>(t);
  const auto warm = static_cast<double>(std::max<std::int64_t>(1, warmup));
  const auto rest = static_cast<double>(std::max<std::int64_t>(1, total - warmup));
  switch (schedule) {
    case Schedule::kLinearDecay:
      return t < warmup ? at / warm : std::max(0.0, static_cast<double>(total - t) / rest);
    case Schedule::kPolynomialDecay: {
      constexpr double kEnd = 1e-7;
      if (t < warmup) return at / warm;
      if (t > total) return kEnd / learning_rate;
      const double remaining = 1.0 - static_cast<double>(t - warmup) / rest;
      return ((learning_rate - kEnd) * remaining + kEnd) / learning_rate;
    }
    case Schedule::kWarmup:
      return warmup == 0 ? 1.0 : std::min(1.0, at / warm);
    case Schedule::kCosine:
      return 0.5 *
             (1.0 + std::cos(std::numbers::pi * at / static_cast<double>(std::max<std::int64_t>(1, total))));
  }
  return 1.0;
}

RunLength run_length(const TrainingOptions& options, std::int64_t examples) {
  if (options.batch_size < 1) throw Error(ErrorKind::kInvalidArgument, "train_batch_size must be at least 1");
  RunLength length;
  length.per_epoch = (examples + options.batch_size - 1) / options.batch_size;
  if (options.total_steps > 0) {
    length.total = options.total_steps;
  } else if (options.epochs > 0) {
    length.total = length.per_epoch * options.epochs;
  } else {
    throw Error(ErrorKind::kInvalidArgument, "training needs num_train_epochs or total_steps");
  }
  length.warmup = options.warmup_steps;
  if (options.warmup_steps == -1 || options.warmup_proportion > 0) {
    length.warmup = static_cast<std::int64_t>(options.warmup_proportion * static_cast<double>(length.total));
  }
  return length;
}

}  // namespace quiver
