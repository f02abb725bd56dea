#include <memory>

#include "commands.h"
#include "core/strings.h"
#include "data_arguments.h"
#include "eval_tasks.h"
#include "interrupt.h"
#include "json_lines.h"
#include "model_arguments.h"
#include "progress.h"
#include "result_rows.h"
#include "samples.h"
#include "training_run.h"

namespace quiver::program {
namespace {

struct Arguments {
  ModelArguments model;
  DataArguments data;
  std::string out, split = "test";
  std::optional<std::int64_t> max_new_tokens;
  std::int64_t limit = 0;
  Truncation truncation = Truncation::kLeft;
  bool exclude_own = false;
};

void run_rouge(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  const ExperimentConfig config = arguments.data.load(global);
  const TaskDataset data = load_dataset(config);
  std::vector<Example> examples = data.examples(parse_split(arguments.split));
  if (arguments.limit > 0 && arguments.limit < static_cast<std::int64_t>(examples.size())) {
    examples.resize(static_cast<std::size_t>(arguments.limit));
  }
  ModelArguments model = arguments.model;
  if (!model.bos && config.bos != BeginOfText::kAuto) model.bos = begin_of_text_name(config.bos);
  const std::vector<RoutedModel> models = model.load(base_options(global, config));
  GenerationOptions options;
  options.max_new_tokens = arguments.max_new_tokens.value_or(config.max_output_length);
  options.max_input_length = config.max_input_length;
  options.truncation = arguments.truncation;
  options.record_routing = true;
  if (!arguments.data.config.empty()) options.batch_size = config.predict_batch_size;
  Progress progress("rouge", static_cast<std::int64_t>(examples.size() * models.size()), "texts");
  const std::vector<Evaluation> evaluations = evaluate_rouge(
      models, examples, options,
      [&](std::int64_t done) {
        progress.advance(done);
        throw_if_interrupted("nothing was written");
      },
      own_expert(arguments.exclude_own));
  Results results;
  results.base = arguments.model.model;
  std::vector<ScoredRow> rows;
  for (std::size_t i = 0; i < models.size(); ++i)
    rows.push_back({result_row(models[i], evaluations[i], arguments.model.library), evaluations[i].scores});
  results.rows = with_oracle_shares(rows);
  results.samples = text_samples(examples, models, evaluations, options.truncation);
  report_results(results, arguments.out);
}

constexpr const char* kTasksHelp =
    "Tasks, comma-separated: names of the definitions that come with Quiver (arc_easy, arc_challenge, piqa,\n"
    "hellaswag, winogrande, openbookqa, boolq, mmlu, bbh), paths of one's own (FILE.json), or all";

void add_exclude_own_flag(Command& command, bool& exclude_own) {
  command.add_flag(
      "--exclude-own", exclude_own,
      "Leave out the expert of a prompt's own task; the base, oracle and expert:NAME stay whole");
}

// MODEL and the options that the named tasks share.
void add_task_options(Command& command, TaskArguments& arguments) {
  arguments.model.add_to(command);
  command
      .add_option(
          "--data", arguments.data,
          "Folder with one folder a task, in the hub's layout; for one task also its own file or folder")
      ->required();
  command.add_option("--limit", arguments.limit, "Only the first N questions of each subtask")
      ->check(Number::kPositive);
  command.add_option("--out", arguments.out, "results.json to write (default: stdout)");
  add_truncate_option(command, arguments.truncation);
  add_exclude_own_flag(command, arguments.exclude_own);
  command.add_option("--out-samples", arguments.samples_out,
                     "JSON lines to write: every question's scores or text");
}

// What a subcommand does not know falls through to `eval`, which has options of its own: there it would be
// accepted and do nothing.
void refuse_stray_options(const Command& command) {
  const std::string chosen = command.chosen_subcommand();
  if (chosen.empty()) return;
  for (const std::string& option : command.given_options())
    throw UsageError(option + ": does not go with eval " + chosen);
}

// `eval TASKS MODEL`. CLI11 would ask for its required arguments in front of a subcommand as well, so they
// are asked for here.
void add_tasks(Command& command, GlobalOptions& global) {
  auto arguments = std::make_shared<TaskArguments>();
  command.add_option_function(
      "TASKS", [arguments](const std::string& names) { arguments->tasks = split_list(names); }, kTasksHelp);
  add_task_options(command, *arguments);
  command.add_option("--shots", arguments->shots, "Solved questions before each, where a task has some")
      ->check(Number::kNonNegative);
  command.add_option("--max-new-tokens", arguments->max_new_tokens, "Instead of the definitions' own")
      ->check(Number::kPositive);
  for (const char* name : {"MODEL", "--data"}) command.get_option(name)->required(false);
  command.parse_complete_callback([&command] { refuse_stray_options(command); });
  command.callback([arguments, &command, &global] {
    if (!command.chosen_subcommand().empty()) return;
    for (const char* name : {"TASKS", "MODEL", "--data"}) {
      if (command.get_option(name)->empty()) throw UsageError(std::string(name) + " is required");
    }
    run_eval_tasks(*arguments, global);
  });
}

}  // namespace

void add_eval(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      program.add_subcommand("eval", "Measure a model; several --router share one loaded base");
  add_tasks(*command, global);
  Command* rouge = command->add_subcommand("rouge", "Rouge-L of greedy continuations of task prompts");
  arguments->model.add_to(*rouge);
  rouge->add_option("--limit", arguments->limit, "Only the first N examples")->check(Number::kPositive);
  rouge->add_option("--out", arguments->out, "results.json to write (default: stdout)");
  arguments->data.add_to(*rouge);
  arguments->data.add_tasks_to(*rouge);
  add_split_option(*rouge, arguments->split);
  add_truncate_option(*rouge, arguments->truncation);
  add_exclude_own_flag(*rouge, arguments->exclude_own);
  rouge->add_option("--max-new-tokens", arguments->max_new_tokens, "Default: the config's max_output_length")
      ->check(Number::kPositive);
  rouge->callback([arguments, &global] { run_rouge(*arguments, global); });
  for (const char* task : {"arc-easy", "arc-challenge"}) {
    auto choices = std::make_shared<TaskArguments>();
    choices->tasks = {task};
    Command* sub = command->add_subcommand(task, "Multiple choice, also from ARC's own JSON lines");
    add_task_options(*sub, *choices);
    sub->callback([choices, &global] { run_eval_tasks(*choices, global); });
  }
}

}  // namespace quiver::program
