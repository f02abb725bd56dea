#include <memory>
#include <set>

#include "commands.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "model_cache.h"
#include "progress.h"
#include "quiver/router.h"
#include "quiver/transforms.h"
#include "training_run.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string library, config;
  std::vector<std::string> overrides;
  bool recompute = false;
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
  gates.truncate_left = config.truncation_side == TruncationSide::kLeft;
  const auto experts = static_cast<std::int64_t>(library.names().size());
  Progress progress("phatgoose gates", experts * gates.total_steps, "steps");
  const std::int64_t trained = train_phatgoose_gates(library, *base, data, gates, arguments.mode(), {},
                                                     [&](const TrainingStep&) { progress.advance(1); });
  log_info("trained phatgoose gates of " + std::to_string(trained) + " experts");
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
}

}  // namespace quiver::program
