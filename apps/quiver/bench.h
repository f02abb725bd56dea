#pragma once

#include <CLI/CLI.hpp>

#include "commands.h"

namespace quiver::program {

// One subcommand of `quiver bench` each.
void add_bench_train(CLI::App& bench, GlobalOptions& global);
void add_bench_generate(CLI::App& bench, GlobalOptions& global);
void add_bench_route(CLI::App& bench, GlobalOptions& global);
void add_bench_arc(CLI::App& bench, GlobalOptions& global);
void add_bench_library(CLI::App& bench, GlobalOptions& global);

}  // namespace quiver::program
