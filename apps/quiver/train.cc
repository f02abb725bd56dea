#include <memory>

#include "commands.h"
#include "core/log.h"
#include "model_cache.h"
#include "training_run.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string config;
  std::vector<std::string> overrides;
  bool joint = false;
  bool resume = false;
  bool force = false;
  std::size_t at_once = 0;
};

void run(const Arguments& arguments, const GlobalOptions& global) {
  ExperimentConfig config = load_config(arguments.config, arguments.overrides);
  apply_global_options(global, config);
  validate_for_training(config);
  const std::optional<std::string> target =
      config.destination_library_id ? config.destination_library_id : config.library_id;
  if (!target) {
    throw Error(ErrorKind::kInvalidArgument, "training needs a library to put the experts into",
                "add 'library_id' to the config, or give -k library_id=local://DIR");
  }
  const TaskDataset data = load_dataset(config);
  ExpertLibrary library = ExpertLibrary::open_or_create(*target);
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(*config.model), base_options(global, config));
  const std::vector<ExpertPlan> plans =
      plan_experts(config, data, arguments.joint ? Joint::kYes : Joint::kNo);
  run_trainings_in_view(*base, data, plans, config, library,
                        {.resume = arguments.resume,
                         .if_exists = arguments.force ? IfExists::kReplace : IfExists::kRefuse,
                         .side_by_side = {.at_once = arguments.at_once}});
  log_info(std::to_string(plans.size()) + " experts in " + library.uri());
}

}  // namespace

void add_train(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      program.add_subcommand("train", "Train one LoRA expert per task, each committed as it ends");
  command->add_option("-c,--config", arguments->config, "Config file, or several joined with +")->required();
  command->add_option("-k", arguments->overrides, "key=value over the config")->allow_extra_args(false);
  command->add_flag("--joint", arguments->joint, "One expert on all tasks together");
  command->add_flag("--resume", arguments->resume, "Pass over finished experts, go on from checkpoints");
  command->add_flag("--force", arguments->force, "Replace experts that are in the library already");
  command
      ->add_option("--at-once", arguments->at_once,
                   "Experts trained side by side, each with its share of the threads (default: one per "
                   "thread, at most 8)")
      ->check(Range{1, 1024});
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
