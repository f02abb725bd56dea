#include <ATen/core/grad_mode.h>

#include <memory>

#include "bench.h"
#include "bench_inputs.h"
#include "bench_report.h"
#include "core/files.h"
#include "data/tokenized_example.h"
#include "interrupt.h"
#include "json_lines.h"
#include "model_cache.h"
#include "modular/adapters.h"
#include "modular/bind_experts.h"
#include "quiver/training.h"
#include "quiver/transforms.h"
#include "train/loop.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string base, out, ids;
  BenchData data;
  std::int64_t limit = 100, batch_size = 16, epochs = 3, experts = 1, gate_steps = 50;
  bool gates = false;
};

// Plain AdamW at a constant rate, as a loop written in PyTorch has it.
TrainingOptions training_options(const Arguments& arguments, const GlobalOptions& global) {
  TrainingOptions options;
  options.lora = {.modify_modules = ".*self_attn", .modify_layers = "q_proj|k_proj|v_proj"};
  options.clip_norm = 0;
  options.schedule = Schedule::kWarmup;
  options.warmup_steps = 0;
  options.warmup_proportion = 0;
  options.epochs = arguments.epochs;
  options.batch_size = arguments.batch_size;
  if (global.seed) options.seed = *global.seed;
  return options;
}

// The examples of one data set as training sees them.
struct TokenCounts {
  std::vector<TokenizedExample> examples;
  std::int64_t tokens = 0, targets = 0;

  TokenCounts(const BaseModel& base, const TaskDataset& data, const TrainingOptions& options) {
    const TokenizeOptions tokenize{
        .max_input_length = std::min(options.max_input_length, base.shape().max_positions),
        .beginning = TextBeginning(base.tokenizer(), options.bos, base.eos_id())};
    for (const Example& example : data.examples(Split::kTrain)) {
      std::optional<TokenizedExample> tokenized =
          tokenize_for_training(base.tokenizer(), base.eos_id(), example, tokenize);
      if (!tokenized) continue;
      tokens += static_cast<std::int64_t>(tokenized->ids.size());
      targets += static_cast<std::int64_t>(tokenized->ids.size()) - tokenized->target_begin;
      examples.push_back(*std::move(tokenized));
    }
  }

  // Of one pass, forward and backward: 4 a weight and token in the layers, 4 a weight and target in the head.
  double operations(const BaseModel& base) const {
    const auto head = static_cast<double>(base.shape().vocabulary * base.shape().hidden);
    return 4.0 * (layer_weights(base) * static_cast<double>(tokens) + head * static_cast<double>(targets));
  }
};

// What a peer trains on: {"task", "ids", "target_begin"}, a line each; nothing where `file` is empty.
void write_ids(const BaseModel& base, const std::vector<std::string>& tasks, const TaskDataset& data,
               const TrainingOptions& options, const std::string& file) {
  if (file.empty()) return;
  std::string lines;
  for (const std::string& task : tasks) {
    for (const TokenizedExample& example : TokenCounts(base, data.only({task}), options).examples) {
      lines +=
          dump_json({{"task", task}, {"ids", example.ids}, {"target_begin", example.target_begin}}) + "\n";
    }
  }
  write_file_atomic(file, lines);
}

class NoAdapter : public LinearAdapter {
 public:
  at::Tensor apply(const LinearGroup&, const at::Tensor&, at::Tensor y) const override { return y; }
};

// Mean over the examples of each one's mean loss a target token.
double loss_of(const BaseModel& base, const TokenCounts& counts, const std::optional<Expert>& expert) {
  const at::NoGradGuard no_gradients;
  if (!expert) return validation_loss(base, NoAdapter(), counts.examples, TrainingOptions().token_budget);
  const WeightedAdapter adapter(base, bind_expert(base, *expert).factors);
  return validation_loss(base, adapter, counts.examples, TrainingOptions().token_budget);
}

void warm_up(const BaseModel& base, TaskDataset data, TrainingOptions options) {
  data.take_first(Split::kTrain, 2);
  options.epochs = 1;
  train_expert(base, "warm-up", data, options);
}

// One expert, epoch by epoch.
BenchReport train_one(const BaseModel& base, const std::string& task, const TaskDataset& data,
                      const TrainingOptions& options) {
  const TokenCounts counts(base, data, options);
  warm_up(base, data, options);
  start_peak_memory();
  std::vector<double> losses;
  Measurement seconds{"epoch", "s", {}}, rate{"training", "real tokens/s", {}},
      work{"useful work", kMatrixUnit, {}};
  double epoch = 0;
  const Expert expert = train_expert(base, task, data, options, [&](const TrainingStep& step) {
    losses.push_back(step.loss);
    epoch += step.seconds;
    if (step.step * options.epochs % step.total == 0) {
      seconds.values.push_back(epoch);
      rate.values.push_back(static_cast<double>(counts.tokens) / epoch);
      work.values.push_back(counts.operations(base) / epoch / 1e9);
      epoch = 0;
    }
    throw_if_interrupted("nothing was written");
  });
  BenchReport report{{seconds, rate, work}};
  report.quality = {{"task", task},
                    {"examples", counts.examples.size()},
                    {"tokens", counts.tokens},
                    {"target_tokens", counts.targets},
                    {"step_losses", losses},
                    {"loss_before", loss_of(base, counts, std::nullopt)},
                    {"loss_after", loss_of(base, counts, expert)}};
  return report;
}

// One expert a task: one after the other, then in one call.
BenchReport train_several(const BaseModel& base, const std::vector<std::string>& tasks,
                          const TaskDataset& data, const TrainingOptions& options) {
  std::vector<ExpertTraining> trainings;
  std::int64_t tokens = 0;
  for (const std::string& task : tasks) {
    trainings.push_back({task, data.only({task}), options});
    tokens += TokenCounts(base, trainings.back().data, options).tokens * options.epochs;
  }
  warm_up(base, trainings.front().data, options);
  const auto stop = [](const TrainingStep&) { throw_if_interrupted("nothing was written"); };
  Json loss_alone = Json::object(), loss_together = Json::object();
  start_peak_memory();
  const double alone = seconds_of([&] {
    for (const ExpertTraining& training : trainings) {
      const Expert expert = train_expert(base, training.name, training.data, options, stop);
      loss_alone[training.name] = expert.info.metrics.at("last_loss");
    }
  });
  const double peak_alone = peak_memory_mib();
  start_peak_memory();
  const double together = seconds_of([&] {
    train_experts(
        base, trainings, {},
        [&](std::size_t, const Expert& expert) {
          loss_together[expert.info.name] = expert.info.metrics.at("last_loss");
        },
        [&](std::size_t, const TrainingStep& step) { stop(step); });
  });
  const auto rate = [&](double seconds) { return std::vector{static_cast<double>(tokens) / seconds}; };
  BenchReport report{{{"one after the other", "real tokens/s", rate(alone)},
                      {"in one call", "real tokens/s", rate(together)},
                      {"in one call, against one after the other", "1", {alone / together}},
                      {"peak memory, one after the other", "MiB", {peak_alone}}}};
  report.quality = {{"tasks", tasks},
                    {"tokens", tokens},
                    {"last_loss, one after the other", loss_alone},
                    {"last_loss, in one call", loss_together}};
  return report;
}

// One gate vector per slot of every expert, each expert on its own task's rows.
BenchReport train_gates(const BaseModel& base, const std::vector<std::string>& tasks, const TaskDataset& data,
                        std::int64_t steps_each, std::uint64_t seed) {
  const TemporaryDirectory scratch(std::filesystem::temp_directory_path());
  ExpertLibrary library = ExpertLibrary::create((scratch.path() / "library").string());
  for (std::size_t number = 0; number < tasks.size(); ++number) {
    Expert expert = random_expert(base, static_cast<std::int64_t>(number), seed);
    expert.info.tasks = {tasks[number]};
    library.add(expert);
  }
  TrainingOptions options = default_gate_options();
  options.total_steps = steps_each;
  options.seed = seed;
  std::int64_t tokens = 0, steps = 0;
  start_peak_memory();
  const double seconds = seconds_of([&] {
    train_phatgoose_gates(library, base, data, options, Recompute::kAll, {}, [&](const TrainingStep& step) {
      tokens += step.tokens;
      ++steps;
      throw_if_interrupted("nothing was written");
    });
  });
  BenchReport report{{{"gates", "s", {seconds}},
                      {"gate training", "real tokens/s", {static_cast<double>(tokens) / seconds}}}};
  report.quality = {{"experts", tasks.size()}, {"steps", steps}, {"tokens", tokens}};
  return report;
}

void run(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  TaskDataset data = arguments.data.load(arguments.limit);
  std::vector<std::string> tasks = arguments.data.tasks.empty() ? data.task_names() : arguments.data.tasks;
  const auto experts = static_cast<std::size_t>(arguments.experts);
  if (tasks.size() < experts) {
    throw Error(
        ErrorKind::kInvalidArgument,
        std::to_string(experts) + " experts need as many tasks; there are " + std::to_string(tasks.size()));
  }
  tasks.resize(experts);
  data = data.only(tasks);
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(arguments.base), global.model_options());
  const TrainingOptions options = training_options(arguments, global);
  write_ids(*base, tasks, data, options, arguments.ids);
  publish(arguments.gates ? train_gates(*base, tasks, data, arguments.gate_steps, options.seed)
          : experts > 1   ? train_several(*base, tasks, data, options)
                          : train_one(*base, tasks.front(), data, options),
          arguments.out);
}

}  // namespace

void add_bench_train(Command& bench, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = bench.add_subcommand(
      "train", "Train a LoRA of rank 4 on q, k and v: tokens a second, useful work, losses");
  command->add_option("BASE", arguments->base, "A Hugging Face folder, a .gguf file or a fetched name")
      ->required();
  arguments->data.add_to(*command);
  command->add_option("--limit", arguments->limit, "Examples of each task")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--batch-size", arguments->batch_size, "Examples a step")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--epochs", arguments->epochs)->check(Number::kPositive)->capture_default_str();
  command->add_option("--experts", arguments->experts, "Tasks to train on, an expert each")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_flag("--gates", arguments->gates,
                    "PhatGOOSE gates of random experts instead, 4 examples a step");
  command->add_option("--gate-steps", arguments->gate_steps, "Steps for each expert's gates")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--dump-ids", arguments->ids, "File for the examples' token ids, for a peer");
  command->add_option("--out", arguments->out, "JSON file to write");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
