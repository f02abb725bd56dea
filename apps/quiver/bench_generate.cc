#include <memory>

#include "bench.h"
#include "bench_inputs.h"
#include "bench_report.h"
#include "data/tokenized_example.h"
#include "interrupt.h"
#include "json_lines.h"
#include "model_cache.h"
#include "quiver/evaluation.h"

namespace quiver::program {
namespace {

struct Arguments {
  ModelArguments model;
  BenchData data;
  std::string out;
  std::int64_t experts = 10, batch_size = 8, max_new_tokens = 64, repetitions = 3;
};

GenerationOptions generation_options(const Arguments& arguments, std::int64_t new_tokens) {
  return {.max_new_tokens = new_tokens, .batch_size = arguments.batch_size, .ignore_stop_tokens = true};
}

// The first examples, with tasks that the oracle knows.
std::vector<Example> prompts(const Arguments& arguments, const std::vector<RoutedModel>& models) {
  std::vector<Example> examples = arguments.data.load(arguments.batch_size).examples(Split::kTrain);
  if (static_cast<std::int64_t>(examples.size()) > arguments.batch_size)
    examples.resize(static_cast<std::size_t>(arguments.batch_size));
  if (!arguments.model.library.empty()) return examples;
  for (const RoutedModel& model : models) {
    const std::vector<std::string> names = model.expert_names();
    for (std::size_t i = 0; i < examples.size() && !names.empty(); ++i)
      examples[i].task_name = names[i % names.size()];
  }
  return examples;
}

// One batch through one model. Each step is timed: those that run prompts, and those of one token a sequence.
class ModelRun {
 public:
  ModelRun(const RoutedModel& model, const std::vector<Example>& examples) : model_(model) {
    for (const Example& example : examples) requests_.push_back({model, example.source, example.task_name});
  }

  void repeat(const Arguments& arguments) {
    std::int64_t prompt_tokens = 0, steps = 0;
    double prefill_seconds = 0, step_seconds = 0;
    const auto add = [&](const GenerationObserver::Step& step) {
      prompt_tokens += step.prompt_tokens;
      (step.prompt_tokens > 0 ? prefill_seconds : step_seconds) += step.seconds;
      if (step.prompt_tokens == 0) ++steps;
    };
    generations_ =
        generate(requests_, generation_options(arguments, arguments.max_new_tokens), {.on_step = add});
    for (const Generation& generation : generations_) {
      if (generation.error) throw *generation.error;
    }
    prefill_.push_back(static_cast<double>(prompt_tokens) / prefill_seconds);
    step_.push_back(1000 * step_seconds / static_cast<double>(steps));
  }

  void report(BenchReport& report) const {
    const std::string name = bench_name(model_);
    report.measurements.push_back({"prefill, " + name, "real tokens/s", prefill_});
    report.measurements.push_back({"decode, " + name, "ms/step", step_});
    Json texts = Json::array();
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      texts.push_back({{"prompt_ids", requests_[i].model.prompt_ids(requests_[i].prompt)},
                       {"ids", generations_[i].ids},
                       {"text", generations_[i].text}});
    }
    report.quality["texts"][name] = std::move(texts);
  }

 private:
  const RoutedModel& model_;
  std::vector<GenerationRequest> requests_;
  std::vector<Generation> generations_;
  std::vector<double> prefill_, step_;
};

// Evaluating all models in one call against one call a model.
void compare_evaluations(const Arguments& arguments, const std::vector<RoutedModel>& models,
                         const std::vector<Example>& examples, BenchReport& report) {
  const GenerationOptions options = generation_options(arguments, arguments.max_new_tokens);
  Measurement together{"evaluation, all routers in one call", "s", {}},
      alone{"evaluation, one router", "s", {}};
  for (std::int64_t repetition = 0; repetition < arguments.repetitions; ++repetition) {
    together.values.push_back(seconds_of([&] { evaluate_rouge(models, examples, options); }));
    double sum = 0;
    for (const RoutedModel& model : models)
      sum += seconds_of([&] { evaluate_rouge({&model, 1}, examples, options); });
    alone.values.push_back(sum / static_cast<double>(models.size()));
    throw_if_interrupted("nothing was written");
  }
  report.measurements.push_back(together);
  report.measurements.push_back(alone);
}

void run(Arguments arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  if (arguments.model.routers.empty()) arguments.model.routers = {"base", "arrow"};
  arguments.model.usual_top_k = 2;
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(arguments.model.model), global.model_options());
  const std::vector<RoutedModel> models = bench_models(arguments.model, base, arguments.experts, global);
  const std::vector<Example> examples = prompts(arguments, models);
  std::vector<ModelRun> runs;
  for (const RoutedModel& model : models) runs.emplace_back(model, examples);
  for (const RoutedModel& model : models) {  // warm-up
    const GenerationRequest request{model, examples.front().source, examples.front().task_name};
    generate({&request, 1}, generation_options(arguments, 2));
  }
  start_peak_memory();
  for (std::int64_t repetition = 0; repetition < arguments.repetitions; ++repetition) {
    for (ModelRun& model_run : runs) {
      model_run.repeat(arguments);
      throw_if_interrupted("nothing was written");
    }
  }
  BenchReport report;
  report.quality["weights"] =
      layer_weights(*base) + static_cast<double>(base->shape().vocabulary * base->shape().hidden);
  for (const ModelRun& model_run : runs) model_run.report(report);
  if (models.size() > 2) compare_evaluations(arguments, models, examples, report);
  publish(report, arguments.out);
}

}  // namespace

void add_bench_generate(Command& bench, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = bench.add_subcommand(
      "generate", "Prefill and greedy decoding of one batch, router by router (default: base and arrow)");
  arguments->model.add_to(*command);
  arguments->data.add_to(*command);
  command->add_option("--experts", arguments->experts, "Random experts where no --library is given")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--batch-size", arguments->batch_size, "Prompts, decoded together")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--max-new-tokens", arguments->max_new_tokens, "Tokens made for every prompt")
      ->check(Range{2, 1 << 20})
      ->capture_default_str();
  command->add_option("--repetitions", arguments->repetitions)
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--out", arguments->out, "JSON file to write");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
