#include "data_arguments.h"

#include "quiver/error.h"
#include "training_run.h"

namespace quiver::program {

void DataArguments::add_to(Command& command) {
  command.add_option("-c,--config", config, "Config with the data set and tasks");
  command.add_option("-k", overrides, "key=value over the config")->allow_extra_args(false);
  command.add_option("--data", data, "Data set file or folder, instead of the config's");
}

void DataArguments::add_tasks_to(Command& command) {
  command.add_option("--tasks", tasks, "Tasks, comma-separated, or all")
      ->delimiter(',')
      ->allow_extra_args(false);
}

ExperimentConfig DataArguments::load(const GlobalOptions& global) const {
  ExperimentConfig result = load_config(config, overrides);
  apply_global_options(global, result);
  if (!data.empty()) {
    result.dataset = data;
    if (config.empty()) result.include_task_source = "*";
  }
  if (!tasks.empty()) {
    result.finetune_task_name = tasks;
    if (tasks == std::vector<std::string>{"all"}) result.finetune_task_name.clear();
  }
  return result;
}

Split parse_split(const std::string& text) {
  if (text == "train") return Split::kTrain;
  if (text == "validation" || text == "dev" || text == "valid") return Split::kValidation;
  if (text == "test") return Split::kTest;
  throw Error(ErrorKind::kInvalidArgument, "unknown split '" + text + "'", "train, validation or test");
}

void add_split_option(Command& command, std::string& split) {
  command.add_option("--split", split)
      ->check(OneOf{{"train", "validation", "valid", "dev", "test"}})
      ->capture_default_str();
}

}  // namespace quiver::program
