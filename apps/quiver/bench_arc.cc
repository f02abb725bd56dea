#include <memory>

#include "bench.h"
#include "bench_inputs.h"
#include "bench_report.h"
#include "interrupt.h"
#include "json_lines.h"
#include "model_cache.h"
#include "quiver/evaluation.h"
#include "task_definitions.h"

namespace quiver::program {
namespace {

struct Arguments {
  ModelArguments model;
  std::string data, out;
  std::int64_t limit = 300, experts = 10, repetitions = 1;
};

void run(Arguments arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  if (arguments.model.routers.empty()) arguments.model.routers = {"base", "arrow"};
  arguments.model.usual_top_k = 2;
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(arguments.model.model), global.model_options());
  const std::vector<RoutedModel> models = bench_models(arguments.model, base, arguments.experts, global);
  TaskDefinition task = find_task_definition("arc_easy");
  task.name = "arc";
  const std::vector<ChoiceQuestion> questions =
      read_task_questions(task, arguments.data, {.limit = arguments.limit}).choices;
  const auto evaluate = [&](const RoutedModel& model, std::span<const ChoiceQuestion> some) {
    return evaluate_choices({&model, 1}, some, task.metrics,
                            [](std::int64_t) { throw_if_interrupted("nothing was written"); })
        .front()
        .metrics;
  };
  const std::span<const ChoiceQuestion> all(questions);
  for (const RoutedModel& model : models) evaluate(model, all.first(std::min<std::size_t>(4, all.size())));
  start_peak_memory();
  std::vector<Measurement> rates;
  for (const RoutedModel& model : models) rates.push_back({bench_name(model), "questions/s", {}});
  BenchReport report;
  for (std::int64_t repetition = 0; repetition < arguments.repetitions; ++repetition) {
    for (std::size_t i = 0; i < models.size(); ++i) {
      const std::vector<Evaluation> metrics = evaluate(models[i], all);
      rates[i].values.push_back(static_cast<double>(metrics.front().n) / metrics.front().seconds);
      for (const Evaluation& metric : metrics) {
        report.quality[rates[i].name][metric.metric] = {
            {"value", metric.value}, {"n", metric.n}, {"chosen", metric.chosen}};
      }
    }
  }
  report.measurements = std::move(rates);
  publish(report, arguments.out);
}

}  // namespace

void add_bench_arc(Command& bench, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = bench.add_subcommand(
      "arc", "Multiple choice from ARC's JSON lines, router by router (default: base and arrow)");
  arguments->model.add_to(*command);
  command->add_option("--data", arguments->data, "The JSON lines file")->required();
  command->add_option("--limit", arguments->limit, "Only the first N questions; 0: all")
      ->check(Number::kNonNegative)
      ->capture_default_str();
  command->add_option("--experts", arguments->experts, "Random experts where no --library is given")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--repetitions", arguments->repetitions)
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--out", arguments->out, "JSON file to write");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
