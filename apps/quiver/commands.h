#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "command_line.h"
#include "quiver/base_model.h"

namespace quiver::program {

// Options that every command takes, before or after its name.
struct GlobalOptions {
  int threads = 0;  // 0: one per core
  std::string device = "cpu";
  std::optional<std::string> precision;  // none: the config's, or float32
  std::optional<std::uint64_t> seed;     // none: the config's, or 42
  bool quiet = false;
  bool no_progress = false;
  std::string log_format = "text";

  BaseModelOptions model_options() const;
};

// Each adds one command to the program; its work runs from the command's callback and throws quiver::Error.
void add_fetch(Command& program);
void add_train(Command& program, GlobalOptions& global);
void add_library(Command& program);
void add_cluster(Command& program, GlobalOptions& global);
void add_merge(Command& program, GlobalOptions& global);
void add_prototypes(Command& program, GlobalOptions& global);
void add_compose(Command& program, GlobalOptions& global);
void add_generate(Command& program, GlobalOptions& global);
void add_score(Command& program, GlobalOptions& global);
void add_tokenize(Command& program);
void add_route(Command& program, GlobalOptions& global);
void add_eval(Command& program, GlobalOptions& global);
void add_transfer(Command& program, GlobalOptions& global);
void add_adapt(Command& program, GlobalOptions& global);
void add_plot(Command& program);
void add_report(Command& program);
void add_tutorial(Command& program, GlobalOptions& global);
void add_serve(Command& program, GlobalOptions& global);
void add_bench(Command& program, GlobalOptions& global);

}  // namespace quiver::program
