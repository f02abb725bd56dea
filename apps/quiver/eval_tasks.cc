#include "eval_tasks.h"

#include "core/log.h"
#include "interrupt.h"
#include "json_lines.h"
#include "progress.h"
#include "result_rows.h"
#include "samples.h"
#include "task_definitions.h"
#include "task_results.h"

namespace quiver::program {
namespace {

struct LoadedTask {
  TaskDefinition definition;
  TaskQuestions questions;
};

std::string message_of(const Error& error) {
  return std::string(error.what()) + (error.hint().empty() ? "" : " (" + error.hint() + ")");
}

// Every task is named whose data cannot be read, not only the first.
std::vector<LoadedTask> load_tasks(const TaskArguments& arguments) {
  const bool all = arguments.tasks == std::vector<std::string>{"all"};
  const std::vector<std::string> names = all ? task_names() : arguments.tasks;
  std::vector<LoadedTask> tasks;
  std::vector<Error> failures;
  for (const std::string& name : names) {
    TaskDefinition definition = find_task_definition(name);
    for (const LoadedTask& other : tasks) {
      if (other.definition.name == definition.name)
        throw Error(ErrorKind::kInvalidArgument, "task '" + definition.name + "' is given twice");
    }
    try {
      const TaskReadOptions options{
          .limit = arguments.limit,
          .shots = names.size() > 1 && definition.shots_split.empty() ? std::nullopt : arguments.shots,
          .only_task = names.size() == 1};
      TaskQuestions questions = read_task_questions(definition, arguments.data, options);
      tasks.push_back({std::move(definition), std::move(questions)});
    } catch (const Error& error) {
      failures.push_back(error);
    }
  }
  if (failures.size() == 1) throw failures.front();
  if (!failures.empty()) {
    for (const Error& failure : failures) log_warning(message_of(failure));
    throw Error(failures.front().kind(), std::to_string(failures.size()) + " of " +
                                             std::to_string(names.size()) +
                                             " tasks cannot be read, see above");
  }
  return tasks;
}

// One line of --out-samples: what a model made of a question.
class SampleLines {
 public:
  void add(const RoutedModel& model, const std::vector<ChoiceQuestion>& questions,
           const ChoiceEvaluation& evaluation) {
    for (std::size_t i = 0; i < questions.size(); ++i) {
      Json line = {{"router", router_name(model.router())},
                   {"task", questions[i].task},
                   {"id", questions[i].id},
                   {"answer", questions[i].answer},
                   {"logprobs", evaluation.logprobs[i]}};
      for (const Evaluation& metric : evaluation.metrics) line["chosen"][metric.metric] = metric.chosen[i];
      text_ += dump_json(line) + "\n";
    }
  }

  void add(const RoutedModel& model, const std::vector<TextQuestion>& questions,
           const AnswerEvaluation& evaluation) {
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const Json line = {{"router", router_name(model.router())},
                         {"task", questions[i].task},
                         {"id", questions[i].id},
                         {"answer", questions[i].answer},
                         {"text", evaluation.texts[i]},
                         {"extracted", evaluation.answers[i]}};
      text_ += dump_json(line) + "\n";
    }
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void run_choices(const LoadedTask& task, const TaskArguments& arguments,
                 const std::vector<RoutedModel>& models, const EvaluationObserver& observer,
                 TaskResults& results, SampleLines& lines) {
  const std::vector<ChoiceEvaluation> evaluations = evaluate_choices(
      models, task.questions.choices, task.definition.metrics, observer, arguments.truncation,
      {.record = true, .own_expert = own_expert(arguments.exclude_own)});
  std::vector<const Evaluation*> main;
  for (std::size_t i = 0; i < models.size(); ++i) {
    results.add(i, task.definition, evaluations[i].metrics);
    lines.add(models[i], task.questions.choices, evaluations[i]);
    for (const Evaluation& metric : evaluations[i].metrics) {
      if (metric.metric == task.definition.main_metric) main.push_back(&metric);
    }
  }
  results.add(task.definition, choice_samples(task.questions.choices, main));
}

void run_answers(const LoadedTask& task, const TaskArguments& arguments,
                 const std::vector<RoutedModel>& models, const EvaluationObserver& observer,
                 TaskResults& results, SampleLines& lines) {
  GenerationOptions options;
  options.max_new_tokens = arguments.max_new_tokens.value_or(task.definition.max_new_tokens);
  options.max_input_length = 1 << 30;  // only the model's positions limit a prompt
  options.stop = task.definition.stop;
  options.truncation = arguments.truncation;
  options.record_routing = true;
  const std::vector<AnswerEvaluation> evaluations =
      evaluate_answers(models, task.questions.texts, task.definition.extraction, options, observer,
                       own_expert(arguments.exclude_own));
  for (std::size_t i = 0; i < models.size(); ++i) {
    results.add(i, task.definition, {evaluations[i].exact_match});
    lines.add(models[i], task.questions.texts, evaluations[i]);
  }
  results.add(task.definition, answer_samples(task.questions.texts, evaluations));
}

void run_task(const LoadedTask& task, const TaskArguments& arguments, const std::vector<RoutedModel>& models,
              TaskResults& results, SampleLines& lines) {
  const bool writes_text = task.definition.writes_text();
  Progress progress(task.definition.name, 0, writes_text ? "texts" : "choices");
  const EvaluationObserver observer = [&](std::int64_t done) {
    progress.advance(done);
    throw_if_interrupted("nothing was written");
  };
  if (writes_text) {
    run_answers(task, arguments, models, observer, results, lines);
  } else {
    run_choices(task, arguments, models, observer, results, lines);
  }
}

}  // namespace

OwnExpert own_expert(bool exclude_own) { return exclude_own ? OwnExpert::kLeftOut : OwnExpert::kIncluded; }

void run_eval_tasks(const TaskArguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  check_output(arguments.samples_out);
  const std::vector<LoadedTask> tasks = load_tasks(arguments);
  const std::vector<RoutedModel> models = arguments.model.load(global.model_options());
  TaskResults task_results(models, arguments.model.library);
  SampleLines lines;
  std::vector<std::string> failed;
  for (const LoadedTask& task : tasks) {
    try {
      run_task(task, arguments, models, task_results, lines);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted || tasks.size() == 1) throw;
      log_warning("task '" + task.definition.name + "' failed: " + message_of(error));
      failed.push_back(task.definition.name);
    }
  }
  Results results;
  results.base = arguments.model.model;
  if (tasks.size() > 1) {
    results.rows = task_results.rows_by_task();
    std::fputs((format_table(results) + "\n").c_str(), stderr);
  }
  results.rows = task_results.rows(failed.empty());
  results.samples = task_results.samples(failed.empty());
  if (!arguments.samples_out.empty()) write_output(arguments.samples_out, lines.text());
  report_results(results, arguments.out);
  if (failed.empty()) return;
  std::string names;
  for (const std::string& name : failed) names += (names.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::kInvalidArgument, "tasks that failed: " + names,
              "the results of the others were written, without a mean");
}

}  // namespace quiver::program
