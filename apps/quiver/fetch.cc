#include <cstdio>
#include <memory>

#include "commands.h"
#include "core/strings.h"
#include "model_cache.h"

namespace quiver::program {

void add_fetch(Command& program) {
  struct Arguments {
    std::string name, to;
  };
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      program.add_subcommand("fetch", "Get a known small open model into the cache; prints its path");
  command->add_option("NAME", arguments->name, "One of: " + known_models())
      ->required()
      ->check(one_of(split_list(known_models())));
  command->add_option("--to", arguments->to, "Cache folder (default $QUIVER_CACHE or ~/.cache/quiver)");
  command->callback(
      [arguments] { std::printf("%s\n", fetch_model(arguments->name, arguments->to).c_str()); });
}

}  // namespace quiver::program
