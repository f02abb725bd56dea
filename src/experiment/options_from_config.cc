#include "quiver/experiment.h"

namespace quiver {

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
  options.optimizer = config.optimizer;
  options.learning_rate = config.adapters_learning_rate.value_or(config.learning_rate);
  options.weight_decay = config.adapters_weight_decay.value_or(config.weight_decay);
  options.adam_epsilon = config.adam_epsilon;
  options.clip_norm = config.max_grad_norm;
  options.schedule = config.scheduler;
  options.warmup_steps = config.warmup_steps;
  options.warmup_proportion = config.warmup_proportion;
  options.epochs = config.num_train_epochs;
  options.total_steps = config.total_steps;
  options.batch_size = config.train_batch_size;
  options.micro_batch_size = config.micro_batch_size.value_or(0);
  options.loss_mean = config.target_loss;
  options.max_input_length = config.max_input_length;
  options.truncation_side = config.truncation_side;
  options.train_on_inputs = config.train_on_inputs;
  options.add_eos_to_targets = config.add_eos_to_targets;
  options.bos = config.bos;
  options.evaluate_every = config.eval_every.value_or(0);
  options.keep = config.keep;
  options.seed = static_cast<std::uint64_t>(config.seed);
  options.shared_start = config.shared_start;
  options.checkpoint_every = config.save_every.value_or(0);
  return options;
}

StatisticsOptions statistics_options(const ExperimentConfig& config) {
  return {.rows = config.statistics_rows,
          .seed = static_cast<std::uint64_t>(config.seed),
          .max_input_length = config.max_input_length,
          .truncation_side = config.truncation_side,
          .bos = config.bos};
}

}  // namespace quiver
