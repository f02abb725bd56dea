#include <functional>
#include <memory>
#include <set>

#include "commands.h"
#include "core/log.h"
#include "data_arguments.h"
#include "interrupt.h"
#include "model_cache.h"
#include "progress.h"
#include "quiver/router.h"
#include "quiver/transforms.h"
#include "training_run.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string library, config, data, base;
  std::vector<std::string> overrides;
  bool recompute = false;
  std::optional<std::int64_t> rows;
  std::string compat = "none";
  TrainingOptions gates = default_gate_options();

  Recompute mode() const { return recompute ? Recompute::kAll : Recompute::kMissing; }
};

void run_arrow(const Arguments& arguments, const GlobalOptions& global) {
  const bool from_peft = parse_compat(arguments.compat) == Compat::kPeft;
  ExpertLibrary library = ExpertLibrary::open(arguments.library);
  Progress progress("arrow prototypes", static_cast<std::int64_t>(library.names().size()), "experts");
  const ExpertObserver observer = [&](const std::string&) {
    progress.advance(1);
    throw_if_interrupted("finished experts are kept");
  };
  const std::int64_t computed =
      from_peft ? compute_peft_prototypes(library, global.seed.value_or(42), arguments.mode(), observer)
                : compute_arrow_prototypes(library, arguments.mode(), observer);
  log_info("computed arrow prototypes of " + std::to_string(computed) + " experts");
}

// The tasks that the experts of a library say they were trained on. Those that say none have the name of
// their expert where the rows were named on the command line (`rows_named`).
std::vector<std::string> tasks_of(const ExpertLibrary& library, bool rows_named) {
  std::set<std::string> tasks;
  for (const std::string& name : library.names()) {
    const std::vector<std::string> own = library.info(name).tasks;
    if (own.empty() && !rows_named) {
      throw Error(ErrorKind::kInvalidArgument,
                  "expert '" + name + "' does not say which tasks it was trained on",
                  "name its rows: --data FILE, with rows whose task_name is '" + name + "'");
    }
    tasks.insert(own.begin(), own.end());
    if (own.empty()) tasks.insert(name);
  }
  return {tasks.begin(), tasks.end()};
}

// The base that was asked for, or the one that the experts name.
std::string base_of(const Arguments& arguments, const ExperimentConfig& config,
                    const ExpertLibrary& library) {
  if (!arguments.base.empty()) return arguments.base;
  if (config.model) return *config.model;
  const std::vector<std::string> names = library.names();
  const std::string named = names.empty() ? "" : library.info(names.front()).base_model;
  if (named.empty()) throw Error(ErrorKind::kInvalidArgument, "no base model is named", "add --base BASE");
  return named;
}

using PromptTransform = decltype(compute_statistics);

// `what` is made by the transform, of prompts that the experts were trained on.
void run_on_prompts(const std::string& what, PromptTransform& transform, const Arguments& arguments,
                    const GlobalOptions& global) {
  if (arguments.config.empty() && arguments.data.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "no rows are named", "give -c FILE, a config, or --data PATH");
  }
  ExperimentConfig config =
      DataArguments{arguments.config, arguments.data, arguments.overrides, {}}.load(global);
  ExpertLibrary library = ExpertLibrary::open(arguments.library);
  const std::vector<std::string> names = library.names();
  config.finetune_task_name = tasks_of(library, !arguments.data.empty());
  const TaskDataset data = load_dataset(config);
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(base_of(arguments, config, library)), base_options(global, config));
  StatisticsOptions options = statistics_options(config);
  options.rows = arguments.rows.value_or(options.rows > 0 ? options.rows : StatisticsOptions{}.rows);
  Progress progress(what, static_cast<std::int64_t>(names.size()), "experts");
  const std::int64_t computed =
      transform(library, names, *base, data, options, arguments.mode(), [&](const std::string&) {
        progress.advance(1);
        throw_if_interrupted("finished experts are kept");
      });
  log_info("computed " + what + " of " + std::to_string(computed) + " experts");
}

void run_phatgoose(const Arguments& arguments, const GlobalOptions& global) {
  ExperimentConfig config = load_config(arguments.config, arguments.overrides);
  apply_global_options(global, config);
  if (!config.model) throw Error(ErrorKind::kInvalidArgument, "the config names no 'model'");
  ExpertLibrary library = ExpertLibrary::open(arguments.library);
  // The experts say which tasks they need.
  std::set<std::string> tasks;
  for (const std::string& name : library.names()) {
    for (const std::string& task : library.info(name).tasks) tasks.insert(task);
  }
  config.finetune_task_name.assign(tasks.begin(), tasks.end());
  const TaskDataset data = load_dataset(config);
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(*config.model), base_options(global, config));
  TrainingOptions gates = arguments.gates;
  gates.seed = static_cast<std::uint64_t>(config.seed);
  gates.bos = config.bos;
  gates.max_input_length = config.max_input_length;
  gates.truncation_side = config.truncation_side;
  const auto experts = static_cast<std::int64_t>(library.names().size());
  Progress progress("phatgoose gates", experts * gates.total_steps, "steps");
  const std::int64_t trained =
      train_phatgoose_gates(library, *base, data, gates, arguments.mode(), {}, [&](const TrainingStep&) {
        progress.advance(1);
        throw_if_interrupted("finished experts are kept");
      });
  log_info("trained phatgoose gates of " + std::to_string(trained) + " experts");
}

void add_prompt_options(Command& prototypes, const std::string& name, const std::string& help,
                        Arguments& arguments, const std::function<void()>& run) {
  Command* command = prototypes.add_subcommand(name, help);
  command->add_option("LIBRARY", arguments.library)->required();
  command->add_option("-c,--config", arguments.config, "Config with the model and the data set");
  command->add_option("-k", arguments.overrides, "key=value over the config")->allow_extra_args(false);
  command->add_option(
      "--data", arguments.data,
      "Data set file or folder, instead of the config's; an expert that names no task has its "
      "own name for one");
  command->add_option("--base", arguments.base, "Base model, instead of the config's or the experts'");
  command
      ->add_option(
          "--rows", arguments.rows,
          "Training prompts of each expert, evenly of its tasks (default: the config's statistics_rows, 200)")
      ->check(Range{2, 1000000000});
  command->add_flag("--recompute", arguments.recompute, "Also those that are there");
  command->callback(run);
}

}  // namespace

void add_prototypes(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      program.add_subcommand("prototypes", "Compute what a router needs and keep it in the library");
  command->require_subcommand(1);
  Command* arrow = command->add_subcommand("arrow", "Top right singular vector of every expert and layer");
  arrow->add_option("LIBRARY", arguments->library)->required();
  arrow->add_flag("--recompute", arguments->recompute, "Also those that are there");
  arrow
      ->add_option(
          "--compat", arguments->compat,
          "peft: as PEFT approximates them, from the global --seed (42), for --router arrow --compat peft")
      ->check(OneOf{{"none", "peft"}})
      ->capture_default_str();
  arrow->callback([arguments, &global] { run_arrow(*arguments, global); });

  Command* phatgoose = command->add_subcommand("phatgoose", "Train one gate per expert and layer");
  phatgoose->add_option("LIBRARY", arguments->library)->required();
  phatgoose->add_option("-c,--config", arguments->config, "Config with the model and the data set")
      ->required();
  phatgoose->add_option("-k", arguments->overrides, "key=value over the config")->allow_extra_args(false);
  TrainingOptions& gates = arguments->gates;
  phatgoose->add_option("--n-steps", gates.total_steps, "Optimizer steps per expert")
      ->check(Number::kPositive)
      ->capture_default_str();
  phatgoose->add_option("--learning-rate", gates.learning_rate)
      ->check(number_above_zero())
      ->capture_default_str();
  phatgoose->add_option("--warmup-ratio", gates.warmup_proportion)->check(share())->capture_default_str();
  phatgoose->add_option("--batch-size", gates.batch_size, "Examples per step")
      ->check(Number::kPositive)
      ->capture_default_str();
  phatgoose->add_flag("--recompute", arguments->recompute, "Also those that are there");
  phatgoose->callback([arguments, &global] { run_phatgoose(*arguments, global); });

  add_prompt_options(
      *command, "statistics",
      "How the base sees the experts' training prompts, for routers that decide by the prompt", *arguments,
      [arguments, &global] { run_on_prompts("statistics", compute_statistics, *arguments, global); });
  add_prompt_options(
      *command, "calibration",
      "How long the experts' training prompts are along their updates, for spectral with --calibrate yes",
      *arguments,
      [arguments, &global] { run_on_prompts("calibration", compute_calibration, *arguments, global); });
}

}  // namespace quiver::program
