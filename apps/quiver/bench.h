#pragma once

#include "commands.h"

namespace quiver::program {

// One subcommand of `quiver bench` each.
void add_bench_train(Command& bench, GlobalOptions& global);
void add_bench_generate(Command& bench, GlobalOptions& global);
void add_bench_route(Command& bench, GlobalOptions& global);
void add_bench_arc(Command& bench, GlobalOptions& global);
void add_bench_library(Command& bench, GlobalOptions& global);

}  // namespace quiver::program
