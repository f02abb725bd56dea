#include "quiver/report.h"

#include <memory>

#include "commands.h"
#include "core/files.h"
#include "json_lines.h"
#include "quiver/error.h"

namespace quiver::program {
namespace {

void check_page_name(const std::string& name) {
  if (name.ends_with(".html")) return;
  throw Error(ErrorKind::kInvalidArgument, "it does not end in .html");
}

}  // namespace

void add_report(Command& program) {
  struct Arguments {
    std::vector<std::string> results;
    std::string out;
  };
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("report", "A page to look at, of one or more results.json");
  command->add_option("RESULTS", arguments->results, "results.json files")->required();
  command->add_option("--out", arguments->out, "Page to write, .html; it needs no other file")
      ->required()
      ->check(parsed_by(check_page_name));
  command->callback([arguments] {
    check_output(arguments->out);
    std::vector<ReportPart> parts;
    for (const std::string& file : arguments->results) parts.push_back({file, read_results(file)});
    write_file_atomic(arguments->out, report_page(parts));
  });
}

}  // namespace quiver::program
