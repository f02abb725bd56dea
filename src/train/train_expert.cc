
#include "core/check.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mutex.h"
#include "core/sha256.h"
#include "expert/begin_of_text_record.h"
#include "quiver/training.h"
#include "tensor/finite.h"
#include "tensor/jobs.h"
#include "train/checkpoint.h"
#include "train/gate_trainer.h"
#include "train/loop.h"
#include "train/lora_trainer.h"
#include "train/option_names.h"
#include "train/training_examples.h"

namespace quiver {
namespace {

// The settings as the expert records them, and as a checkpoint is recognized by. What 0.1.0 did (texts
// without begin-of-text, one start for all experts) says nothing, as it said nothing: its checkpoints go on.
Json describe(const BaseModel& base, const TrainingOptions& options) {
  Json settings = {{"learning_rate", options.learning_rate},
                   {"weight_decay", options.weight_decay},
                   {"adam_epsilon", options.adam_epsilon},
                   {"optimizer", option_name(options.optimizer)},
                   {"scheduler", option_name(options.schedule)},
                   {"warmup_steps", options.warmup_steps},
                   {"warmup_proportion", options.warmup_proportion},
                   {"max_grad_norm", options.clip_norm},
                   {"num_train_epochs", options.epochs},
                   {"total_steps", options.total_steps},
                   {"train_batch_size", options.batch_size},
                   {"micro_batch_size", options.micro_batch_size},
                   {"target_loss", option_name(options.loss_mean)},
                   {"max_input_length", options.max_input_length},
                   {"truncation_side", option_name(options.truncation_side)},
                   {"train_on_inputs", options.train_on_inputs},
                   {"add_eos_to_targets", options.add_eos_to_targets},
                   {"keep", option_name(options.keep)},
                   {"seed", options.seed},
                   {"lora_rank", options.lora.rank},
                   {"lora_alpha", options.lora.alpha},
                   {"lora_dropout", options.lora.dropout},
                   {"lora_init_b_random", options.lora.init_b_random},
                   {"modify_modules", options.lora.modify_modules},
                   {"modify_layers", options.lora.modify_layers},
                   {"trainable_param_names", options.trainable},
                   {"non_trainable_param_names", options.frozen.value_or("")}};
  if (!beginning_of(base, options).is_empty()) settings["bos"] = begin_of_text_name(BeginOfText::kAlways);
  if (options.tied) settings["tie_params"] = *options.tied;
  if (!options.shared_start) settings["shared_start"] = false;
  return settings;
}

std::string identity(const BaseModel& base, const std::string& kind,
                     const std::vector<TokenizedExample>& examples, const TrainingOptions& options) {
  Sha256 hash;
  hash.update(kind + base.fingerprint() + precision_name(base.precision()) +
              dump_json(describe(base, options)));
  for (const TokenizedExample& example : examples) {
    hash.update(
        {reinterpret_cast<const char*>(example.ids.data()), example.ids.size() * sizeof(std::int32_t)});
    hash.update(std::to_string(example.target_begin) + ";");
  }
  return hash.finish();
}

// A run that began with a shared start, as all of 0.1.0 did, goes on with it.
TrainingOptions with_start_of_checkpoint(const BaseModel& base, const std::string& kind,
                                         const std::vector<TokenizedExample>& train,
                                         TrainingOptions options) {
  if (!options.resume || options.shared_start || options.checkpoint.empty()) return options;
  TrainingOptions shared = options;
  shared.shared_start = true;
  if (checkpoint_identity(options.checkpoint) != identity(base, kind, train, shared)) return options;
  log_info(options.checkpoint.string() + " is of a run with a shared start, which it goes on with");
  return shared;
}

// See train_expert.
std::uint64_t start_seed(const std::string& name, const TrainingOptions& options) {
  if (options.shared_start) return options.seed;
  Sha256 hash;
  hash.update(std::to_string(options.seed) + "/" + name);
  return std::stoull(hash.finish().substr(0, 8), nullptr, 16);
}

Json metrics_of(const RunReport& report) {
  Json metrics = {{"steps", report.steps},
                  {"tokens", report.tokens},
                  {"seconds", report.seconds},
                  {"first_loss", report.first_loss},
                  {"last_loss", report.last_loss}};
  if (report.validation_loss) metrics["validation_loss"] = *report.validation_loss;
  if (report.best_step) metrics["best_step"] = *report.best_step;
  return metrics;
}

}  // namespace

Expert train_expert(const BaseModel& base, const std::string& name, const TaskDataset& data,
                    const TrainingOptions& asked, const TrainingObserver& observer) {
  const std::vector<TokenizedExample> train = tokenize_training_split(base, data, asked, name);
  const std::vector<TokenizedExample> validation =
      tokenize_examples(base, data.examples(Split::kValidation), asked);
  const std::string kind = "expert " + name;
  const TrainingOptions options = with_start_of_checkpoint(base, kind, train, asked);
  LoraTrainer trainer(base, options.lora, {options.trainable, options.frozen, options.tied},
                      start_seed(name, options));
  const RunReport report =
      run_training(base, trainer, train, validation, options, identity(base, kind, train, options), observer);
  Expert expert;
  expert.info.name = name;
  expert.info.tasks = data.task_names();
  expert.info.base_model = base.name();
  expert.info.base_fingerprint = base.fingerprint();
  expert.info.lora = options.lora;
  expert.info.training = describe(base, options);
  if (options.bos == BeginOfText::kNever) expert.info.training["bos"] = begin_of_text_name(options.bos);
  if (asked.shared_start) expert.info.training["shared_start"] = true;
  expert.info.metrics = metrics_of(report);
  expert.modules = trainer.weights();
  for (const auto& [path, weights] : expert.modules) {
    if (all_finite(weights.a) && all_finite(weights.b)) continue;
    throw Error(ErrorKind::kNotFinite,
                "training of '" + name + "' diverged: '" + path + "' is not finite after the last step",
                "lower learning_rate or set max_grad_norm");
  }
  expert.decoder = base.shape().decoder;
  return expert;
}

void train_experts(const BaseModel& base, std::span<const ExpertTraining> trainings,
                   const SideBySide& side_by_side,
                   const std::function<void(std::size_t, const Expert&)>& on_trained,
                   const std::function<void(std::size_t, const TrainingStep&)>& observer) {
  std::vector<double> costs;
  for (const ExpertTraining& training : trainings)
    costs.push_back(training_cost(training.data, training.options));
  JobOptions jobs{.at_once = side_by_side.at_once, .threads = side_by_side.threads};
  if (jobs.at_once == 0) jobs.at_once = default_jobs_at_once(jobs.threads);
  Mutex callbacks;
  run_jobs(costs, jobs, [&](std::size_t number) {
    const ExpertTraining& training = trainings[number];
    const auto tell = [&](const TrainingStep& step) {
      const MutexLock lock(callbacks);
      if (observer) observer(number, step);
    };
    const Expert expert = train_expert(base, training.name, training.data, training.options, tell);
    const MutexLock lock(callbacks);
    on_trained(number, expert);
  });
}

std::map<std::string, at::Tensor> train_gates(const BaseModel& base, const Expert& expert,
                                              const TaskDataset& data, const TrainingOptions& asked,
                                              const TrainingObserver& observer) {
  check_base(expert.info, base.fingerprint(), base.name());
  TrainingOptions options = asked;
  if (options.bos == BeginOfText::kAuto) options.bos = recorded_begin_of_text(expert.info);
  const std::vector<TokenizedExample> train = tokenize_training_split(base, data, options, expert.info.name);
  GateTrainer trainer(base, expert);
  const std::string expert_before = expert_digest(expert);
  run_training(base, trainer, train, {}, options,
               identity(base, "gates " + expert.info.name + expert_before, train, options), observer);
  QUIVER_CHECK(expert_digest(expert) == expert_before, "an expert changed while its gates were trained");
  std::map<std::string, at::Tensor> gates = trainer.gates();
  for (const auto& [path, gate] : gates) {
    if (!all_finite(gate)) {
      throw Error(
          ErrorKind::kNotFinite,
          "the gate of '" + path + "' of expert '" + expert.info.name + "' is not finite after training",
          "lower learning_rate");
    }
    if (!gate.any().item<bool>()) {
      throw Error(
          ErrorKind::kInvalidArgument,
          "the gate of '" + path + "' of expert '" + expert.info.name + "' is still zero after training",
          "the expert's update there is zero, or learning_rate is");
    }
  }
  return gates;
}

}  // namespace quiver
