#include <memory>

#include "commands.h"
#include "json_lines.h"
#include "quiver/error.h"
#include "quiver/report.h"

namespace quiver::program {
namespace {

void check_picture_name(const std::string& name) {
  if (name.ends_with(".svg") || name.ends_with(".png")) return;
  throw Error(ErrorKind::kInvalidArgument, "it ends in neither .svg nor .png");
}

}  // namespace

void add_plot(Command& program) {
  struct Arguments {
    std::string results, out;
    bool heat_map = false;
  };
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("plot", "Bar charts or heat maps of a results.json");
  command->add_option("RESULTS", arguments->results, "results.json")->required();
  command->add_option("--out", arguments->out, "Picture to write, .svg or .png")
      ->required()
      ->check(parsed_by(check_picture_name));
  command->add_flag("--heat-map", arguments->heat_map,
                    "Instead of bars: tasks by experts, where each router sent the prompts");
  command->callback([arguments] {
    check_output(arguments->out);
    const Results results = read_results(arguments->results);
    if (arguments->heat_map) {
      plot_heat_maps(results, arguments->out);
    } else {
      plot_results(results, arguments->out);
    }
  });
}

}  // namespace quiver::program
