#include "core/config_keys.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "quiver/error.h"

namespace quiver {
namespace {

// Left out because the matter does not exist here (padding, devices, Lightning, hub caches), because the data
// or the model itself tells (dataset_type, model_family), or because another command does it (evaluation
// suites).
constexpr std::string_view kReferenceOnlyKeys[] = {
    "adafactor_relative_step",
    "adafactor_scale_parameter",
    "adafactor_warmup_init",
    "attn_implementation",
    "augment_few_shot",
    "backbone_checkpoint",
    "cache_dir",
    "checkpoint",
    "checkpoint_step",
    "class_name",
    "compute_strategy",
    "create_transfer_matrix",
    "custom_split_file",
    "data_dir",
    "dataloader_num_workers",
    "dataset_type",
    "debug",
    "device_map",
    "do_train",
    "es_metric",
    "eval_before_training",
    "eval_metric",
    "eval_mmlu_few_shot",
    "eval_mmlu_flag",
    "eval_rouge_flag",
    "exp_name",
    "expert_selection",
    "few_shot",
    "finetune_regime",
    "finetune_skip_es",
    "finetune_type",
    "finetune_use_last_checkpoint",
    "gradient_accumulation_steps",
    "hf_lib_id",
    "hf_token_hub",
    "load_in_4bit",
    "load_in_8bit",
    "logging_prefix",
    "max_seq_per_pack",
    "model_family",
    "monitor_grad_alignment_on",
    "n_skills",
    "n_splits",
    "num_tasks_per_batch",
    "pack_sequences",
    "pad_to_multiple_of",
    "padding_side",
    "pipeline_eval_tasks",
    "profile",
    "remote_token",
    "save_each_epoch",
    "save_if_loaded_from_ckpt",
    "source_template",
    "tasksets_path",
    "tensorboard",
    "use_vllm",
    "validation_portion",
};
constexpr std::string_view kReferenceOnlyPrefixes[] = {"router_", "module_logits_", "moe_", "wandb_"};

void require(bool valid, const char* key, double value, const char* wanted) {
  if (valid) return;
  const std::string text = nlohmann::json(value).dump();
  const bool whole = std::isfinite(value) && value == std::floor(value) && std::abs(value) < 1e15;
  throw Error(ErrorKind::kInvalidArgument,
              std::string("config key '") + key + "' is " +
                  (whole ? std::to_string(static_cast<long long>(value)) : text) + ", must be " + wanted);
}

void require_positive(const char* key, std::int64_t value) {
  require(value >= 1, key, static_cast<double>(value), "at least 1");
}

void require_positive(const char* key, const std::optional<std::int64_t>& value) {
  if (value) require_positive(key, *value);
}

void require_length(const char* key, std::int64_t value) {
  constexpr std::int64_t kLongestContext = 1 << 24;
  require(value >= 1 && value <= kLongestContext, key, static_cast<double>(value), "between 1 and 16777216");
}

void require_not_negative(const char* key, double value) {
  require(std::isfinite(value) && value >= 0, key, value, "0 or more");
}

void require_unset_or_positive(const char* key, double value) {
  require(std::isfinite(value) && (value == -1 || value > 0), key, value, "above 0, or -1 for none");
}

}  // namespace

bool is_reference_only_key(const std::string& key) {
  const auto starts = [&](std::string_view prefix) { return key.starts_with(prefix); };
  return std::ranges::find(kReferenceOnlyKeys, key) != std::end(kReferenceOnlyKeys) ||
         std::ranges::any_of(kReferenceOnlyPrefixes, starts);
}

void validate_ranges(const ExperimentConfig& config) {
  require_unset_or_positive("subsample_train", config.subsample_train);
  require_unset_or_positive("subsample_dev", config.subsample_dev);
  require_unset_or_positive("subsample_test", config.subsample_test);
  require_length("max_input_length", config.max_input_length);
  require_length("max_output_length", config.max_output_length);

  require_positive("lora_rank", config.lora_rank);
  require(std::isfinite(config.lora_alpha) && config.lora_alpha > 0, "lora_alpha", config.lora_alpha,
          "above 0");
  require(config.lora_dropout >= 0 && config.lora_dropout < 1, "lora_dropout", config.lora_dropout,
          "at least 0 and below 1");

  require_not_negative("learning_rate", config.learning_rate);
  require_not_negative("weight_decay", config.weight_decay);
  require_not_negative("adapters_learning_rate", config.adapters_learning_rate.value_or(0));
  require_not_negative("adapters_weight_decay", config.adapters_weight_decay.value_or(0));
  require(config.adam_epsilon > 0, "adam_epsilon", config.adam_epsilon, "above 0");
  require_not_negative("max_grad_norm", config.max_grad_norm);
  require(config.warmup_steps >= -1, "warmup_steps", static_cast<double>(config.warmup_steps), "-1 or more");
  require(config.warmup_proportion >= 0 && config.warmup_proportion <= 1, "warmup_proportion",
          config.warmup_proportion, "between 0 and 1");

  require_unset_or_positive("num_train_epochs", static_cast<double>(config.num_train_epochs));
  require_unset_or_positive("total_steps", static_cast<double>(config.total_steps));
  require_positive("train_batch_size", config.train_batch_size);
  require_positive("micro_batch_size", config.micro_batch_size);
  require_positive("predict_batch_size", config.predict_batch_size);
  require_positive("eval_every", config.eval_every);
  require_positive("eval_every_n_epoch", config.eval_every_n_epoch);
  require_positive("save_every", config.save_every);
  require_not_negative("seed", static_cast<double>(config.seed));

  if (config.micro_batch_size && config.train_batch_size % *config.micro_batch_size != 0) {
    throw Error(ErrorKind::kInvalidArgument, "train_batch_size " + std::to_string(config.train_batch_size) +
                                                 " is not divisible by micro_batch_size " +
                                                 std::to_string(*config.micro_batch_size));
  }
}

}  // namespace quiver
