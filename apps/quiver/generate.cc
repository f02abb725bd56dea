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
  std::optional<std::string> prompt;
  std::string task_name, input, out;
  GenerationOptions options;
};

std::vector<Generation> run_requests(const std::vector<GenerationRequest>& requests,
                                     const GenerationOptions& options) {
  Progress progress("generate", static_cast<std::int64_t>(requests.size()), "texts");
  std::vector<Generation> generations =
      generate(requests, options, {.on_done = [&](std::size_t, const Generation&) {
                 progress.advance(1);
                 throw_if_interrupted("nothing was written");
               }});
  warn_of_cut_texts(generations, options.truncation);
  return generations;
}

void continue_prompt(const RoutedModel& model, const Arguments& arguments, const GenerationOptions& options) {
  const Generation generation =
      run_requests({{model, *arguments.prompt, arguments.task_name}}, options).front();
  if (generation.error) throw *generation.error;
  write_output(arguments.out, generation.text + "\n");
}

void continue_rows(RequestRows rows, const RoutedModel& model, const Arguments& arguments,
                   const GenerationOptions& options) {
  std::vector<GenerationRequest> requests;
  const std::vector<std::size_t> prepared = rows.prepare([&](const Json& row, std::size_t number) {
    requests.push_back({model, require_text(row, "prompt", arguments.input, number),
                        json_value<std::string>(row, "task_name", "", arguments.input)});
  });
  const std::vector<Generation> generations = run_requests(requests, options);
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    if (generations[i].error) {
      rows.fail(prepared[i], *generations[i].error);
    } else {
      rows[prepared[i]]["completion"] = generations[i].text;
    }
  }
  write_output(arguments.out, rows.text());
  rows.require_all();
}

void run(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  if (!arguments.prompt && arguments.input.empty()) throw UsageError("--prompt or --input is required");
  std::optional<RequestRows> rows;
  if (!arguments.prompt) rows.emplace(arguments.input);
  const RoutedModel model = arguments.model.load_one(global);
  GenerationOptions options = arguments.options;
  options.max_input_length = model.base().shape().max_positions;
  if (global.seed) options.seed = *global.seed;
  if (rows) {
    continue_rows(*std::move(rows), model, arguments, options);
  } else {
    continue_prompt(model, arguments, options);
  }
}

}  // namespace

void add_generate(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      program.add_subcommand("generate", "Continue one prompt, or every prompt of a JSON lines file");
  arguments->model.add_to(*command);
  Option* prompt = command->add_option("--prompt", arguments->prompt, "Text to continue");
  command->add_option("--input", arguments->input, "JSON lines with `prompt` and perhaps `task_name`")
      ->excludes(prompt);
  command->add_option("--task-name", arguments->task_name, "Task of --prompt, for the oracle");
  GenerationOptions& options = arguments->options;
  command->add_option("--max-new-tokens", options.max_new_tokens, "Longest continuation")
      ->check(Number::kNonNegative)
      ->capture_default_str();
  command->add_option("--batch-size", options.batch_size, "Sequences decoded together")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--stop", options.stop, "Text that ends a continuation; may be given several times")
      ->allow_extra_args(false);
  command
      ->add_option("--temperature-sampling", options.sampling_temperature,
                   "Sample at this temperature; 0: greedy")
      ->check(number_not_negative());
  command->add_option("--top-p", options.top_p, "Sample from the most likely tokens with this probability")
      ->check(finite_number([](double p) { return p > 0 && p <= 1; }, "above 0 and at most 1"));
  add_truncate_option(*command, options.truncation);
  command->add_option("--out", arguments->out, "File to write instead of stdout");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
