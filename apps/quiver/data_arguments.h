#pragma once

#include <string>
#include <vector>

#include "commands.h"
#include "quiver/experiment.h"

namespace quiver::program {

// The rows that a command works on: of a config's data set, or of --data.
struct DataArguments {
  std::string config, data;
  std::vector<std::string> overrides, tasks;

  // Adds -c, -k and --data.
  void add_to(Command& command);
  // Adds --tasks.
  void add_tasks_to(Command& command);

  // The config with what the command line says over it.
  ExperimentConfig load(const GlobalOptions& global) const;
};

// "train", "validation" ("valid", "dev") or "test". Throws Error(kInvalidArgument).
Split parse_split(const std::string& text);

// --split, "test" where it is not given.
void add_split_option(Command& command, std::string& split);

}  // namespace quiver::program
