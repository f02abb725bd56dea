#pragma once

#include <span>
#include <string>

#include "experiment/config_values.h"
#include "quiver/experiment.h"

namespace quiver {

// Calls visit(key, field) for every field of an ExperimentConfig, const or not: the one list that reading,
// writing and the search for near names share.
template <typename Config, typename Visitor>
void visit_config(Config& config, Visitor&& visit) {
  visit("model", config.model);
  visit("precision", config.precision);
  visit("library_id", config.library_id);
  visit("destination_library_id", config.destination_library_id);
  visit("expert_name", config.expert_name);
  visit("output_dir", config.output_dir);

  visit("dataset", config.dataset);
  visit("finetune_task_name", config.finetune_task_name);
  visit("finetune_task_path", config.finetune_task_path);
  visit("include_task_source", config.include_task_source);
  visit("include_template_type", config.include_template_type);
  visit("remove_phi_eval_tasks", config.remove_phi_eval_tasks);
  visit("subsample_train", config.subsample_train);
  visit("subsample_dev", config.subsample_dev);
  visit("subsample_test", config.subsample_test);
  visit("subsample_per_task", config.subsample_per_task);
  visit("max_input_length", config.max_input_length);
  visit("max_output_length", config.max_output_length);
  visit("truncation_side", config.truncation_side);
  visit("train_on_inputs", config.train_on_inputs);
  visit("add_eos_to_targets", config.add_eos_to_targets);
  visit("bos", config.bos);

  visit("modify_modules", config.modify_modules);
  visit("modify_layers", config.modify_layers);
  visit("lora_rank", config.lora_rank);
  visit("lora_alpha", config.lora_alpha);
  visit("lora_dropout", config.lora_dropout);
  visit("lora_init_b_random", config.lora_init_b_random);
  visit("tie_params", config.tie_params);
  visit("trainable_param_names", config.trainable_param_names);
  visit("non_trainable_param_names", config.non_trainable_param_names);

  visit("optimizer", config.optimizer);
  visit("learning_rate", config.learning_rate);
  visit("weight_decay", config.weight_decay);
  visit("adapters_learning_rate", config.adapters_learning_rate);
  visit("adapters_weight_decay", config.adapters_weight_decay);
  visit("adam_epsilon", config.adam_epsilon);
  visit("max_grad_norm", config.max_grad_norm);
  visit("scheduler", config.scheduler);
  visit("warmup_steps", config.warmup_steps);
  visit("warmup_proportion", config.warmup_proportion);
  visit("target_loss", config.target_loss);

  visit("num_train_epochs", config.num_train_epochs);
  visit("total_steps", config.total_steps);
  visit("train_batch_size", config.train_batch_size);
  visit("micro_batch_size", config.micro_batch_size);
  visit("predict_batch_size", config.predict_batch_size);
  visit("eval_every", config.eval_every);
  visit("eval_every_n_epoch", config.eval_every_n_epoch);
  visit("save_every", config.save_every);
  visit("keep", config.keep);
  visit("seed", config.seed);
  visit("shared_start", config.shared_start);
  visit("statistics_rows", config.statistics_rows);
}

// The config keys of mttl that have no meaning here. Those of its routers, mixtures and its experiment
// tracker are recognized by their prefix.
bool is_reference_only_key(const std::string& key);

// Throws Error(kInvalidArgument) for a value out of range, with where it came from: `given` holds the
// settings that `config` was made from.
void validate_ranges(const ExperimentConfig& config, const ConfigSettings& given);

}  // namespace quiver
