#include <memory>

#include "commands.h"
#include "core/json.h"
#include "json_lines.h"
#include "quiver/transforms.h"

namespace quiver::program {

void add_cluster(Command& program, GlobalOptions& global) {
  struct Arguments {
    std::string library, out;
    ClusterOptions options;
    bool recompute = false;
  };
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("cluster", "Model-based clustering (MBC) of a library's experts");
  command->add_option("LIBRARY", arguments->library)->required();
  command->add_option("--k", arguments->options.k, "Number of clusters")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--sparsity", arguments->options.sparsity, "Share of the smallest weights left out")
      ->check(
          finite_number([](double share) { return share >= 0 && share < 1; }, "of at least 0 and below 1"))
      ->capture_default_str();
  command->add_option("--out", arguments->out, "clusters.json to write (default: stdout)");
  command->add_flag("--recompute", arguments->recompute, "No effect: similarities are never kept");
  command->callback([arguments, &global] {
    check_output(arguments->out);
    if (global.seed) arguments->options.seed = *global.seed;
    const Clusters clusters = cluster_experts(ExpertLibrary::open(arguments->library), arguments->options);
    if (arguments->out.empty()) {
      write_output("", dump_json(Json(clusters), 2) + "\n");
    } else {
      write_clusters(clusters, arguments->out);
    }
  });
}

}  // namespace quiver::program
