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
  std::optional<std::string> prompt;
  std::string task_name, input, out;
  GenerationOptions options;
};

void run(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  std::vector<Json> objects;
  if (arguments.prompt) {
    objects.push_back({{"prompt", *arguments.prompt}, {"task_name", arguments.task_name}});
  } else if (!arguments.input.empty()) {
    objects = read_json_lines(arguments.input);
  } else {
    throw CLI::RequiredError("--prompt or --input");
  }
  const RoutedModel model = arguments.model.load_one(global);
  std::vector<GenerationRequest> requests;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    requests.push_back({&model, require_text(objects[i], "prompt", arguments.input, i + 1),
                        json_value<std::string>(objects[i], "task_name", "", arguments.input)});
  }
  GenerationOptions options = arguments.options;
  options.max_input_length = model.base().shape().max_positions;
  if (global.seed) options.seed = *global.seed;
  Progress progress("generate", static_cast<std::int64_t>(requests.size()), "texts");
  const std::vector<Generation> generations =
      generate(requests, options, [&](std::size_t, const Generation&) {
        progress.advance(1);
        throw_if_interrupted("nothing was written");
      });
  std::string text;
  for (std::size_t i = 0; i < generations.size(); ++i) {
    if (arguments.prompt) {
      text += generations[i].text + "\n";
    } else {
      objects[i]["completion"] = generations[i].text;
      text += dump_json(objects[i]) + "\n";
    }
  }
  write_output(arguments.out, text);
}

}  // namespace

void add_generate(CLI::App& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      program.add_subcommand("generate", "Continue one prompt, or every prompt of a JSON lines file");
  arguments->model.add_to(*command);
  CLI::Option* prompt = command->add_option("--prompt", arguments->prompt, "Text to continue");
  command->add_option("--input", arguments->input, "JSON lines with `prompt` and perhaps `task_name`")
      ->excludes(prompt);
  command->add_option("--task-name", arguments->task_name, "Task of --prompt, for the oracle");
  GenerationOptions& options = arguments->options;
  command->add_option("--max-new-tokens", options.max_new_tokens, "Longest continuation")
      ->capture_default_str();
  command->add_option("--batch-size", options.batch_size, "Sequences decoded together")
      ->capture_default_str();
  command->add_option("--stop", options.stop, "Text that ends a continuation; may be given several times")
      ->allow_extra_args(false);
  command->add_option("--temperature-sampling", options.sampling_temperature,
                      "Sample at this temperature; 0: greedy");
  command->add_option("--top-p", options.top_p, "Sample from the most likely tokens with this probability");
  command->add_option("--out", arguments->out, "File to write instead of stdout");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
