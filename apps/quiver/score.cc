#include <memory>

#include "commands.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "json_lines.h"
#include "model_arguments.h"

namespace quiver::program {
namespace {

struct Arguments {
  ModelArguments model;
  std::string input, out;
};

void run(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  std::vector<Json> objects = read_json_lines(arguments.input);
  const RoutedModel model = arguments.model.load_one(global);
  std::vector<ScoreRequest> requests;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    requests.push_back({&model, require_text(objects[i], "prompt", arguments.input, i + 1),
                        require_text(objects[i], "completion", arguments.input, i + 1),
                        json_value<std::string>(objects[i], "task_name", "", arguments.input)});
  }
  Progress progress("score", static_cast<std::int64_t>(requests.size()), "texts");
  std::size_t reported = 0;
  const std::vector<Score> scores = score(requests, {}, [&](std::size_t done) {
    progress.advance(static_cast<std::int64_t>(done - reported));
    reported = done;
    throw_if_interrupted("nothing was written");
  });
  std::string text;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    objects[i]["logprob"] = scores[i].logprob;
    objects[i]["tokens"] = scores[i].tokens;
    objects[i]["greedy"] = scores[i].greedy;
    text += dump_json(objects[i]) + "\n";
  }
  write_output(arguments.out, text);
}

}  // namespace

void add_score(CLI::App& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand("score", "Log-probability of completions after their prompts");
  arguments->model.add_to(*command);
  command
      ->add_option("--input", arguments->input, "JSON lines with `prompt`, `completion`, perhaps `task_name`")
      ->required();
  command->add_option("--out", arguments->out, "File to write instead of stdout");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
