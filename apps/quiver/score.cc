#include <memory>

#include "commands.h"
#include "interrupt.h"
#include "json_lines.h"
#include "model_arguments.h"
#include "modular/prompt_ids.h"
#include "progress.h"
#include "request_rows.h"

namespace quiver::program {
namespace {

struct Arguments {
  ModelArguments model;
  std::string input, out;
  ScoreOptions options;
};

void run(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  RequestRows rows(arguments.input);
  const RoutedModel model = arguments.model.load_one(global);
  std::vector<ScoreRequest> requests;
  const std::vector<std::size_t> prepared = rows.prepare([&](const Json& row, std::size_t number) {
    requests.push_back({model, require_text(row, "prompt", arguments.input, number),
                        require_text(row, "completion", arguments.input, number),
                        json_value<std::string>(row, "task_name", "", arguments.input)});
  });
  Progress progress("score", static_cast<std::int64_t>(requests.size()), "texts");
  std::size_t reported = 0;
  const std::vector<Score> scores = score(requests, arguments.options, [&](std::size_t done) {
    progress.advance(static_cast<std::int64_t>(done - reported));
    reported = done;
    throw_if_interrupted("nothing was written");
  });
  warn_of_cut_texts(scores, arguments.options.truncation);
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    if (scores[i].error) {
      rows.fail(prepared[i], *scores[i].error);
      continue;
    }
    Json& row = rows[prepared[i]];
    row["logprob"] = scores[i].logprob;
    row["tokens"] = scores[i].tokens;
    row["greedy"] = scores[i].greedy;
  }
  write_output(arguments.out, rows.text());
  rows.require_all();
}

}  // namespace

void add_score(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("score", "Log-probability of completions after their prompts");
  arguments->model.add_to(*command);
  command
      ->add_option("--input", arguments->input, "JSON lines with `prompt`, `completion`, perhaps `task_name`")
      ->required();
  add_truncate_option(*command, arguments->options.truncation);
  command->add_option("--out", arguments->out, "File to write instead of stdout");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
