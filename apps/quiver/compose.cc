#include <memory>

#include "commands.h"
#include "core/files.h"
#include "core/log.h"
#include "model_arguments.h"

namespace quiver::program {

void add_compose(Command& program, GlobalOptions& global) {
  struct Arguments {
    ModelArguments model;
    std::string out;
  };
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      program.add_subcommand("compose", "Write a base, experts and a router as one model folder");
  arguments->model.add_to(*command, "--base");
  command->add_option("--out", arguments->out, "Folder to write")->required();
  command->callback([arguments, &global] {
    check_output_directory(arguments->out);
    arguments->model.load_one(global).save(arguments->out);
    log_info("wrote " + arguments->out);
  });
}

}  // namespace quiver::program
