#include <algorithm>
#include <map>
#include <memory>

#include "bench.h"
#include "bench_report.h"
#include "core/files.h"
#include "interrupt.h"
#include "json_lines.h"
#include "progress.h"
#include "quiver/transforms.h"
#include "synthetic_library.h"

namespace quiver::program {
namespace {

constexpr int kListings = 5;

struct Arguments {
  SyntheticLibraryOptions library;
  ClusterOptions clusters = {.k = 100};
  std::string folder, out;
};

double make(ExpertLibrary& library, const SyntheticLibraryOptions& options) {
  Progress progress("synthetic experts", options.experts, "experts");
  return seconds_of([&] {
    add_synthetic_experts(library, options, [&] {
      progress.advance(1);
      throw_if_interrupted("the library is removed");
    });
  });
}

// Share of the experts whose group is the most frequent one of their cluster.
double purity(const ExpertLibrary& library, const Clusters& clusters) {
  std::map<std::string, std::int64_t> group_of_task;
  for (const std::string& name : library.names()) {
    const ExpertInfo info = library.info(name);
    group_of_task[info.tasks.front()] = info.training.at("group");
  }
  std::int64_t pure = 0;
  for (const auto& [cluster, tasks] : clusters) {
    std::map<std::int64_t, std::int64_t> counts;
    std::int64_t most = 0;
    for (const std::string& task : tasks) most = std::max(most, ++counts[group_of_task.at(task)]);
    pure += most;
  }
  return static_cast<double>(pure) / static_cast<double>(group_of_task.size());
}

void run(const Arguments& arguments) {
  check_output(arguments.out);
  const TemporaryDirectory scratch(arguments.folder.empty() ? std::filesystem::temp_directory_path()
                                                            : std::filesystem::path(arguments.folder));
  ExpertLibrary library = ExpertLibrary::create((scratch.path() / "library").string());
  const auto experts = static_cast<double>(arguments.library.experts);
  BenchReport report;
  const auto measured = [&](const char* name, const char* unit, double value) {
    report.measurements.push_back({name, unit, {value}});
  };
  measured("make", "experts/s", experts / make(library, arguments.library));

  Measurement listing{"list", "s", {}}, reading{"list with what is known of each", "s", {}};
  for (int repetition = 0; repetition < kListings; ++repetition) {
    listing.values.push_back(seconds_of([&] { ExpertLibrary::open(library.uri()).names(); }));
    reading.values.push_back(seconds_of([&] {
      for (const std::string& name : library.names()) library.info(name);
    }));
  }
  report.measurements.push_back(listing);
  report.measurements.push_back(reading);

  start_peak_memory();
  const double memory_before = peak_memory_mib();
  Clusters clusters;
  measured("cluster", "s", seconds_of([&] { clusters = cluster_experts(library, arguments.clusters); }));
  const double memory = peak_memory_mib() - memory_before;
  report.quality = {{"experts", arguments.library.experts},
                    {"clusters", clusters.size()},
                    {"clustering_memory_mib", memory},  // beyond what was in use before
                    {"purity", purity(library, clusters)}};

  Progress progress("arrow prototypes", arguments.library.experts, "experts");
  const double arrow = seconds_of([&] {
    compute_arrow_prototypes(library, Recompute::kAll, [&](const std::string&) {
      progress.advance(1);
      throw_if_interrupted("the library is removed");
    });
  });
  measured("arrow prototypes", "experts/s", experts / arrow);
  publish(report, arguments.out);
}

}  // namespace

void add_bench_library(Command& bench, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = bench.add_subcommand(
      "library",
      "List, cluster and make Arrow prototypes of a library of random experts of SmolLM2's shapes");
  SyntheticLibraryOptions& library = arguments->library;
  command->add_option("--experts", library.experts, "Experts, 1.3 MB each")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--k", arguments->clusters.k, "Clusters, and groups of experts that are alike")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--dir", arguments->folder,
                      "Folder to make the library in (default: for temporary files)");
  command->add_option("--out", arguments->out, "JSON file to write");
  command->callback([arguments, &global] {
    arguments->library.groups = arguments->clusters.k;
    if (global.seed) arguments->library.seed = arguments->clusters.seed = *global.seed;
    run(*arguments);
  });
}

}  // namespace quiver::program
