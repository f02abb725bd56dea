#include <memory>

#include "commands.h"
#include "json_lines.h"
#include "quiver/report.h"

namespace quiver::program {

void add_plot(Command& program) {
  struct Arguments {
    std::string results, out;
  };
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("plot", "Bar charts of a results.json");
  command->add_option("RESULTS", arguments->results, "results.json")->required();
  command->add_option("--out", arguments->out, "Picture to write, .svg or .png")->required();
  command->callback([arguments] {
    check_output(arguments->out);
    plot_results(read_results(arguments->results), arguments->out);
  });
}

}  // namespace quiver::program
