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
  };
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("plot", "Bar charts of a results.json");
  command->add_option("RESULTS", arguments->results, "results.json")->required();
  command->add_option("--out", arguments->out, "Picture to write, .svg or .png")
      ->required()
      ->check(parsed_by(check_picture_name));
  command->callback([arguments] {
    check_output(arguments->out);
    plot_results(read_results(arguments->results), arguments->out);
  });
}

}  // namespace quiver::program
