#include "bench.h"

namespace quiver::program {

void add_bench(Command& program, GlobalOptions& global) {
  Command* bench =
      program.add_subcommand("bench", "Time Quiver on this machine, beside the machine's limits");
  bench->require_subcommand(1);
  add_bench_train(*bench, global);
  add_bench_generate(*bench, global);
  add_bench_route(*bench, global);
  add_bench_arc(*bench, global);
  add_bench_library(*bench, global);
}

}  // namespace quiver::program
