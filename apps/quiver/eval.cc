#include <memory>

#include "commands.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "model_arguments.h"
#include "result_rows.h"
#include "training_run.h"

namespace quiver::program {
namespace {

struct Arguments {
  ModelArguments model;
  std::string config, data, out;
  std::vector<std::string> overrides, tasks;
  std::string split = "test";
  std::optional<std::int64_t> max_new_tokens;
  std::int64_t limit = 0;
};

Split parse_split(const std::string& text) {
  if (text == "train") return Split::kTrain;
  if (text == "validation" || text == "dev" || text == "valid") return Split::kValidation;
  if (text == "test") return Split::kTest;
  throw Error(ErrorKind::kInvalidArgument, "unknown split '" + text + "'", "train, validation or test");
}

Results make_results(const Arguments& arguments) {
  Results results;
  results.base = arguments.model.model;
  return results;
}

void run_rouge(const Arguments& arguments, const GlobalOptions& global) {
  std::vector<std::string> overrides = arguments.overrides;
  ExperimentConfig config = load_config(arguments.config, overrides);
  apply_global_options(global, config);
  if (!arguments.data.empty()) {
    config.dataset = arguments.data;
    if (arguments.config.empty()) config.include_task_source = "*";
  }
  if (!arguments.tasks.empty()) {
    config.finetune_task_name = arguments.tasks;
    if (arguments.tasks == std::vector<std::string>{"all"}) config.finetune_task_name.clear();
  }
  const TaskDataset data = load_dataset(config);
  std::vector<Example> examples = data.examples(parse_split(arguments.split));
  if (arguments.limit > 0 && arguments.limit < static_cast<std::int64_t>(examples.size())) {
    examples.resize(static_cast<std::size_t>(arguments.limit));
  }
  GlobalOptions with_config = global;
  if (!global.precision) with_config.precision = precision_name(config.precision);
  const std::vector<RoutedModel> models = arguments.model.load(with_config);
  GenerationOptions options;
  options.max_new_tokens = arguments.max_new_tokens.value_or(config.max_output_length);
  options.max_input_length = config.max_input_length;
  if (!arguments.config.empty()) options.batch_size = config.predict_batch_size;
  Progress progress("rouge", static_cast<std::int64_t>(examples.size() * models.size()), "texts");
  const std::vector<Evaluation> evaluations =
      evaluate_rouge(models, examples, options, [&](std::int64_t done) {
        progress.advance(done);
        throw_if_interrupted("nothing was written");
      });
  Results results = make_results(arguments);
  for (std::size_t i = 0; i < models.size(); ++i) {
    results.rows.push_back(result_row(models[i], evaluations[i], arguments.model.library));
  }
  report_results(results, arguments.out);
}

void run_choices(const Arguments& arguments, const GlobalOptions& global, const std::string& task) {
  const std::vector<RoutedModel> models = arguments.model.load(global);
  Progress progress(task, 0, "choices");
  const std::vector<std::vector<Evaluation>> evaluations =
      evaluate_choices(models, arguments.data, arguments.limit, task, [&](std::int64_t done) {
        progress.advance(done);
        throw_if_interrupted("nothing was written");
      });
  Results results = make_results(arguments);
  for (std::size_t i = 0; i < models.size(); ++i) {
    for (const Evaluation& evaluation : evaluations[i]) {
      results.rows.push_back(result_row(models[i], evaluation, arguments.model.library));
    }
  }
  report_results(results, arguments.out);
}

}  // namespace

void add_eval(CLI::App& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      program.add_subcommand("eval", "Measure a model; several --router share one loaded base");
  command->require_subcommand(1);
  const auto add_common = [&](CLI::App* sub) {
    arguments->model.add_to(*sub);
    sub->add_option("--limit", arguments->limit, "Only the first N examples");
    sub->add_option("--out", arguments->out, "results.json to write (default: stdout)");
  };
  CLI::App* rouge = command->add_subcommand("rouge", "Rouge-L of greedy continuations of task prompts");
  add_common(rouge);
  rouge->add_option("-c,--config", arguments->config, "Config with the data set and tasks");
  rouge->add_option("-k", arguments->overrides, "key=value over the config")->allow_extra_args(false);
  rouge->add_option("--data", arguments->data, "Data set file or folder, instead of the config's");
  rouge->add_option("--tasks", arguments->tasks, "Tasks, comma-separated, or all")
      ->delimiter(',')
      ->allow_extra_args(false);
  rouge->add_option("--split", arguments->split)->capture_default_str();
  rouge->add_option("--max-new-tokens", arguments->max_new_tokens, "Default: the config's max_output_length");
  rouge->callback([arguments, &global] { run_rouge(*arguments, global); });
  for (const char* task : {"arc-easy", "arc-challenge"}) {
    CLI::App* choices = command->add_subcommand(task, "Multiple choice from ARC's JSON lines");
    add_common(choices);
    choices->add_option("--data", arguments->data, "The JSON lines file")->required();
    choices->callback([arguments, &global, task] { run_choices(*arguments, global, task); });
  }
}

}  // namespace quiver::program
