#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "quiver/training.h"

namespace quiver {

// One optimizer over flat parameters, and its state.
class FlatOptimizer {
 public:
  FlatOptimizer(const TrainingOptions& options, std::int64_t size);

  // Clips the gradients to the options' global norm, updates the parameters, sets the gradients to zero.
  // Returns the norm before clipping. AdamW: Loshchilov and Hutter 2019, algorithm 2.
  double step(at::Tensor& parameters, at::Tensor& gradients, double learning_rate);

  // For checkpoints: first and second moments (empty for SGD).
  at::Tensor first_moment, second_moment;  // (N) float32
  std::int64_t steps = 0;

 private:
  const TrainingOptions& options_;
};

// The factor on the learning rate at the 0-based update t of `total`, with `warmup` warm-up steps.
double schedule_factor(Schedule schedule, std::int64_t t, std::int64_t total, std::int64_t warmup,
                       double learning_rate);

// Steps of a run: total_steps where given, else ceil(examples / batch) * epochs; and its warm-up. Throws
// Error(kInvalidArgument) when neither length is given.
struct RunLength {
  std::int64_t total = 0;
  std::int64_t warmup = 0;
  std::int64_t per_epoch = 0;
};
RunLength run_length(const TrainingOptions& options, std::int64_t examples);

}  // namespace quiver
