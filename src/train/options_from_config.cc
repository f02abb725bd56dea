#include "train/options_from_config.h"

namespace quiver {
namespace {

Schedule schedule_of(SchedulerKind kind) {
  switch (kind) {
    case SchedulerKind::kLinearDecayWithWarmup:
      return Schedule::kLinearDecay;
    case SchedulerKind::kPolynomialDecayWithWarmup:
      return Schedule::kPolynomialDecay;
    case SchedulerKind::kWarmup:
      return Schedule::kWarmup;
    case SchedulerKind::kCosineAnnealing:
      return Schedule::kCosine;
  }
  return Schedule::kLinearDecay;
}

Optimizer optimizer_of(OptimizerKind kind) {
  return kind == OptimizerKind::kAdamW  ? Optimizer::kAdamW
         : kind == OptimizerKind::kAdam ? Optimizer::kAdam
                                        : Optimizer::kSgd;
}

}  // namespace

TrainingOptions training_options(const ExperimentConfig& config) {
  TrainingOptions options;
  options.lora = {.rank = config.lora_rank,
                  .alpha = config.lora_alpha,
                  .dropout = config.lora_dropout,
                  .modify_modules = config.modify_modules,
                  .modify_layers = config.modify_layers.value_or(""),
                  .init_b_random = config.lora_init_b_random};
  options.trainable = config.trainable_param_names;
  options.frozen = config.non_trainable_param_names;
  options.tied = config.tie_params;
  options.optimizer = optimizer_of(config.optimizer);
  options.learning_rate = config.adapters_learning_rate.value_or(config.learning_rate);
  options.weight_decay = config.adapters_weight_decay.value_or(config.weight_decay);
  options.adam_epsilon = config.adam_epsilon;
  options.clip_norm = config.max_grad_norm;
  options.schedule = schedule_of(config.scheduler);
  options.warmup_steps = config.warmup_steps;
  options.warmup_proportion = config.warmup_proportion;
  options.epochs = config.num_train_epochs;
  options.total_steps = config.total_steps;
  options.batch_size = config.train_batch_size;
  options.micro_batch_size = config.micro_batch_size.value_or(0);
  options.loss_mean =
      config.target_loss == TargetLoss::kMttl ? LossMean::kMicroBatchMean : LossMean::kTokenMean;
  options.max_input_length = config.max_input_length;
  options.truncate_left = config.truncation_side == TruncationSide::kLeft;
  options.train_on_inputs = config.train_on_inputs;
  options.add_eos_to_targets = config.add_eos_to_targets;
  options.bos = config.bos;
  options.evaluate_every = config.eval_every.value_or(0);
  options.keep = config.keep == KeepWeights::kBest ? Keep::kBest : Keep::kLast;
  options.seed = static_cast<std::uint64_t>(config.seed);
  options.shared_start = config.shared_start;
  options.checkpoint_every = config.save_every.value_or(0);
  return options;
}

}  // namespace quiver
