#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/begin_of_text.h"
#include "quiver/dataset.h"
#include "quiver/library.h"
#include "quiver/training.h"
#include "quiver/transforms.h"

namespace quiver {

// The settings of one experiment: what a config file and `-k key=value` can say. Every field carries the name
// of its key and, unless its comment says otherwise, mttl's default. An empty optional is JSON's null. A
// value.
struct ExperimentConfig {
  // ---- model and places
  std::optional<std::string> model;  // base model: a Hugging Face folder, a .gguf file or a fetched name
  Precision precision = Precision::kFloat32;          // "float32" ("32", "16"), "bfloat16" ("bf16"), "q8"
  std::optional<std::string> library_id;              // the library that experts are read from and added to
  std::optional<std::string> destination_library_id;  // where results go instead of library_id
  std::optional<std::string> expert_name;  // name of a single or joint expert; else the task's name
  std::string output_dir = "./output";     // checkpoints and reports; default $OUTPUT_DIR where that is set

  // ---- data
  std::optional<std::string> dataset;           // a .parquet or .jsonl file, or a folder of such files
  std::vector<std::string> finetune_task_name;  // tasks; empty: all. JSON: comma-separated text or an array
  // Filled by load_config, not a key: what each name of finetune_task_name stood for, an expert each; empty:
  // all tasks.
  std::vector<std::pair<std::string, std::vector<std::string>>> task_sets;
  // JSON file {"cluster": ["task", ...]}: a name above that is one of its keys stands for that list;
  // no names above: all its lists. Always empty after load_config, which writes the lists into
  // finetune_task_name.
  std::optional<std::string> finetune_task_path;
  // Filled by load_config, not a key: the file that named the tasks, for messages; empty: the config did.
  std::string task_sets_file;
  std::string include_task_source = "P3,Flan2021,CoT";  // submixes to keep, comma-separated; "*": all
  std::string include_template_type = "*";              // prompt formats to keep, comma-separated; "*": all
  bool remove_phi_eval_tasks = false;                   // drop the tasks whose data downstream suites reuse
  // Rows of a split to use: a count, a fraction when below 1, all when -1. mttl's `subsample` = n (keep one
  // row in n) is read as the fraction 1/n of every split.
  double subsample_train = -1;
  double subsample_dev = -1;
  double subsample_test = -1;
  bool subsample_per_task = false;       // the three counts above are divided evenly among the tasks
  std::int64_t max_input_length = 1024;  // tokens of prompt and answer together
  std::int64_t max_output_length = 128;  // tokens generated for an evaluation
  TruncationSide truncation_side = TruncationSide::kRight;  // "left" or "right"; left always keeps the answer
  bool train_on_inputs = false;                             // prompt tokens are targets too
  bool add_eos_to_targets = true;                           // the answer ends with the end-of-text token
  // "auto", "always" or "never": begin-of-text before every text; auto: as the base's tokenizer says. Not a
  // key of mttl, which has "never".
  BeginOfText bos = BeginOfText::kAuto;

  // ---- adapter
  std::string modify_modules = ".*";         // regex over module paths, matched whole
  std::optional<std::string> modify_layers;  // regex over names of their children, matched whole
  std::int64_t lora_rank = 4;
  double lora_alpha = 16;  // the adapter's output is scaled by lora_alpha / lora_rank
  double lora_dropout = 0;
  bool lora_init_b_random = false;  // B starts random like A instead of zero
  // Regex, found in adapter parameter names and reaching to their end: what it finds behind one beginning is
  // one parameter, "q_proj.lora_a|k_proj.lora_a|v_proj.lora_a"
  std::optional<std::string> tie_params;
  std::string trainable_param_names = ".*";              // regex over adapter parameter names, matched whole
  std::optional<std::string> non_trainable_param_names;  // takes names out of the above

  // ---- optimizer
  Optimizer optimizer = Optimizer::kAdamW;  // "adamw", "adam" or "sgd"
  double learning_rate = 1e-3;
  double weight_decay = 0.01;                    // decoupled
  std::optional<double> adapters_learning_rate;  // takes the place of learning_rate
  std::optional<double> adapters_weight_decay;   // takes the place of weight_decay
  double adam_epsilon = 1e-8;
  double max_grad_norm = 0.1;  // gradients are clipped to this global norm; 0: never. Also named clip_norm
  // "linear_decay_with_warmup", "polynomial_decay_with_warmup" (power 1, down to 1e-7), "warmup" (constant
  // afterwards) or "cosine_annealing" (no warm-up)
  Schedule scheduler = Schedule::kLinearDecay;
  std::int64_t warmup_steps = -1;  // -1: from warmup_proportion, which wins whenever it is above 0
  double warmup_proportion = 0.06;
  LossMean target_loss = LossMean::kTokenMean;  // "token_mean" or "mttl"; not a key of mttl

  // ---- length, batches, validation
  std::int64_t num_train_epochs = -1;
  std::int64_t total_steps = -1;                 // optimizer steps; wins over num_train_epochs
  std::int64_t train_batch_size = 4;             // examples of one optimizer step
  std::optional<std::int64_t> micro_batch_size;  // examples run at once, a divisor of train_batch_size;
                                                 // empty: as many as the trainer's token budget allows
  std::int64_t predict_batch_size = 4;
  std::optional<std::int64_t> eval_every;          // steps between validations
  std::optional<std::int64_t> eval_every_n_epoch;  // epochs between validations
  std::optional<std::int64_t> save_every;          // steps between checkpoints that --resume continues from
  Keep keep = Keep::kLast;                         // "last" or "best"; not a key of mttl
  std::int64_t seed = 42;
  // All experts start from one random A; else each from its own, which seed and name decide. Not a key of
  // mttl, which draws them one after the other.
  bool shared_start = false;
  // Training prompts of each expert that its artefact `statistics` is made of at the end of its training; 0:
  // none. Not a key of mttl.
  std::int64_t statistics_rows = 200;
};

// Reads the files of `files`, "a.json+b.json" (".json" may be missing; a name that does not exist is looked
// up under $CONFIG_PATH), then applies `overrides`, each "key=value"; later ones win. An override's value is
// a number, true/false (also True/False), null/None, a quoted string or a list where it reads as one, else
// plain text. `$NAME` or `${NAME}` in any string is that environment variable. Keys that mean something to
// mttl only are accepted and named in one warning. `files` may be empty.
//
// Throws Error(kNotFound) for a missing file, Error(kCorruptFile) for broken JSON and Error(kInvalidArgument)
// naming the key, the value and where it came from for anything else: an unknown key (with the nearest one),
// a wrong type, a value out of range, an unset environment variable.
ExperimentConfig load_config(const std::string& files, const std::vector<std::string>& overrides);

// The same for keys that stand in another file; `where` names it and their place there.
ExperimentConfig load_config(const nlohmann::json& keys, const std::string& where,
                             const std::vector<std::string>& overrides);

// What only training needs: a model, a data set, and a length (num_train_epochs or total_steps). Throws
// Error(kInvalidArgument) naming what is missing.
void validate_for_training(const ExperimentConfig& config);

// Every key with its value, such that load_config gives the same config back.
nlohmann::json to_json(const ExperimentConfig& config);

// What the config says of one expert's training, of the artefact `statistics`, and of its data: the tasks,
// filtered and subsampled. load_dataset() throws what TaskDataset::load does, and Error(kInvalidArgument)
// where the config names no data set.
TrainingOptions training_options(const ExperimentConfig& config);
StatisticsOptions statistics_options(const ExperimentConfig& config);
TaskDataset load_dataset(const ExperimentConfig& config);

// One expert to train: its name and its tasks.
struct ExpertPlan {
  std::string name;
  std::vector<std::string> tasks;
};

enum class Joint { kNo, kYes };

// One expert per task (or per list of finetune_task_path), or kYes: one on all of them. Throws
// Error(kInvalidArgument) where expert_name would name several.
std::vector<ExpertPlan> plan_experts(const ExperimentConfig& config, const TaskDataset& data,
                                     Joint joint = Joint::kNo);

struct TrainingRunOptions {
  bool resume = false;  // pass over experts that are in the library, go on from checkpoints
  IfExists if_exists = IfExists::kRefuse;
  SideBySide side_by_side = {};
  std::stop_token stop = {};  // of all trainings; checkpoints and finished experts are kept
};

// What a run of trainings tells, one call at a time, from the threads that train. What it throws ends the
// run.
struct TrainingRunObserver {
  // Before the first: those that are left to do.
  std::function<void(std::span<const ExpertTraining>)> on_begin = {};
  std::function<void(const std::string& expert, const TrainingStep&)> on_step = {};
  std::function<void(const std::string& expert)> on_committed = {};  // it is in the library
  std::function<void(const std::string& expert, std::size_t of)> on_statistics = {};
};

// Trains the planned experts on one loaded base and commits each to the library as it ends. Checkpoints lie
// in output_dir/checkpoints; an expert that the library cannot take is kept in output_dir/rescued. Then
// computes what is missing of their statistics, unless the config's statistics_rows is 0; a warning names the
// experts that have too few rows. Throws as train_experts, Error(kAlreadyExists) for an expert that is there,
// unless the options say otherwise, and kInvalidArgument for a name that no expert may have.
void run_trainings(const BaseModel& base, const TaskDataset& data, std::span<const ExpertPlan> plans,
                   const ExperimentConfig& config, ExpertLibrary& library,
                   const TrainingRunOptions& options = {}, const TrainingRunObserver& observer = {});

}  // namespace quiver
