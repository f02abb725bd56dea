#include "experiment/config_keys.h"

#include <algorithm>
#include <cmath>
#include <limits>
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

// More steps or examples than any run has; products of two of them cannot overflow.
constexpr std::int64_t kMostCounted = 1'000'000'000;

// Throws for a value out of range, with the setting that it came from.
class Ranges {
 public:
  explicit Ranges(const ConfigSettings& given) : given_(given) {}

  void require(bool valid, const char* key, double value, const std::string& wanted) const {
    if (valid) return;
    const auto found = given_.find(key);
    throw_bad_setting(key, found != given_.end() ? found->second : ConfigSetting{value, "", "config"},
                      wanted);
  }

  void within(const char* key, std::int64_t value, std::int64_t least, std::int64_t most) const {
    require(value >= least && value <= most, key, static_cast<double>(value),
            "between " + std::to_string(least) + " and " + std::to_string(most));
  }

  void count(const char* key, std::int64_t value) const { within(key, value, 1, kMostCounted); }
  void count(const char* key, const std::optional<std::int64_t>& value) const {
    if (value) count(key, *value);
  }

  void unset_or_count(const char* key, std::int64_t value) const {
    require(value == -1 || (value >= 1 && value <= kMostCounted), key, static_cast<double>(value),
            "between 1 and " + std::to_string(kMostCounted) + ", or -1 for none");
  }

  void rows(const char* key, double value) const {
    require(std::isfinite(value) && (value == -1 || value > 0), key, value, "above 0, or -1 for all");
  }

  // float32, in which the number is used, holds it.
  void not_negative(const char* key, double value) const {
    require(value >= 0 && value <= kLargest, key, value, "0 or more, and at most 3.4e38");
  }
  void positive(const char* key, double value) const {
    require(value > 0 && value <= kLargest, key, value, "above 0, and at most 3.4e38");
  }

 private:
  static constexpr double kLargest = std::numeric_limits<float>::max();

  const ConfigSettings& given_;
};

}  // namespace

bool is_reference_only_key(const std::string& key) {
  const auto starts = [&](std::string_view prefix) { return key.starts_with(prefix); };
  return std::ranges::find(kReferenceOnlyKeys, key) != std::end(kReferenceOnlyKeys) ||
         std::ranges::any_of(kReferenceOnlyPrefixes, starts);
}

void validate_ranges(const ExperimentConfig& config, const ConfigSettings& given) {
  constexpr std::int64_t kLongestContext = 1 << 24;
  constexpr std::int64_t kLargestRank = 1 << 20;
  constexpr std::int64_t kLargestSeed = 1ll << 53;
  const Ranges ranges(given);
  ranges.rows("subsample_train", config.subsample_train);
  ranges.rows("subsample_dev", config.subsample_dev);
  ranges.rows("subsample_test", config.subsample_test);
  ranges.within("max_input_length", config.max_input_length, 1, kLongestContext);
  ranges.within("max_output_length", config.max_output_length, 1, kLongestContext);

  ranges.within("lora_rank", config.lora_rank, 1, kLargestRank);
  ranges.positive("lora_alpha", config.lora_alpha);
  ranges.require(config.lora_dropout >= 0 && config.lora_dropout < 1, "lora_dropout", config.lora_dropout,
                 "at least 0 and below 1");

  ranges.not_negative("learning_rate", config.learning_rate);
  ranges.not_negative("weight_decay", config.weight_decay);
  ranges.not_negative("adapters_learning_rate", config.adapters_learning_rate.value_or(0));
  ranges.not_negative("adapters_weight_decay", config.adapters_weight_decay.value_or(0));
  ranges.positive("adam_epsilon", config.adam_epsilon);
  ranges.not_negative("max_grad_norm", config.max_grad_norm);
  ranges.require(config.warmup_steps >= -1 && config.warmup_steps <= kMostCounted, "warmup_steps",
                 static_cast<double>(config.warmup_steps), "between -1 and " + std::to_string(kMostCounted));
  ranges.require(config.warmup_proportion >= 0 && config.warmup_proportion <= 1, "warmup_proportion",
                 config.warmup_proportion, "between 0 and 1");

  ranges.unset_or_count("num_train_epochs", config.num_train_epochs);
  ranges.unset_or_count("total_steps", config.total_steps);
  ranges.count("train_batch_size", config.train_batch_size);
  ranges.count("micro_batch_size", config.micro_batch_size);
  ranges.count("predict_batch_size", config.predict_batch_size);
  ranges.count("eval_every", config.eval_every);
  ranges.count("eval_every_n_epoch", config.eval_every_n_epoch);
  ranges.count("save_every", config.save_every);
  ranges.within("seed", config.seed, 0, kLargestSeed);
  ranges.within("statistics_rows", config.statistics_rows, 0, kMostCounted);

  if (config.micro_batch_size && config.train_batch_size % *config.micro_batch_size != 0) {
    throw Error(ErrorKind::kInvalidArgument, "train_batch_size " + std::to_string(config.train_batch_size) +
                                                 " is not divisible by micro_batch_size " +
                                                 std::to_string(*config.micro_batch_size));
  }
}

}  // namespace quiver
