#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

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
void add_fetch(CLI::App& program);
void add_train(CLI::App& program, GlobalOptions& global);
void add_library(CLI::App& program);
void add_cluster(CLI::App& program, GlobalOptions& global);
void add_merge(CLI::App& program, GlobalOptions& global);
void add_prototypes(CLI::App& program, GlobalOptions& global);
void add_compose(CLI::App& program, GlobalOptions& global);
void add_generate(CLI::App& program, GlobalOptions& global);
void add_score(CLI::App& program, GlobalOptions& global);
void add_tokenize(CLI::App& program);
void add_route(CLI::App& program, GlobalOptions& global);
void add_eval(CLI::App& program, GlobalOptions& global);
void add_plot(CLI::App& program);
void add_tutorial(CLI::App& program, GlobalOptions& global);
void add_bench(CLI::App& program, GlobalOptions& global);

}  // namespace quiver::program
