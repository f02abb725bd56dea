#include <ATen/core/grad_mode.h>

#include <memory>

#include "bench.h"
#include "bench_inputs.h"
#include "bench_report.h"
#include "core/files.h"
#include "interrupt.h"
#include "json_lines.h"
#include "model_cache.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string base, out;
  BenchData data;
  std::vector<std::int64_t> experts = {10, 256};
  std::int64_t sequences = 8, length = 256, repetitions = 5;
};

struct NamedBatch {
  std::string name;
  RaggedBatch batch;
};

// The examples' text as sequences of one length, and the first prompts as they are.
std::vector<NamedBatch> make_batches(const Arguments& arguments, const BaseModel& base) {
  const TaskDataset data = arguments.data.load(1 << 20);
  const auto sequences = static_cast<std::size_t>(arguments.sequences);
  const auto length = static_cast<std::size_t>(arguments.length);
  NamedBatch even{std::to_string(sequences) + "x" + std::to_string(length) + " tokens", {}};
  NamedBatch ragged{std::to_string(sequences) + " prompts", {}};
  std::vector<std::int32_t> text;
  for (const Example& example : data.examples(Split::kTrain)) {
    const std::vector<std::int32_t> ids = base.tokenizer().encode(example.source).ids;
    if (ragged.batch.sequences() < arguments.sequences) ragged.batch.add(ids);
    text.insert(text.end(), ids.begin(), ids.end());
    if (text.size() >= sequences * length) break;
  }
  if (text.size() < sequences * length) {
    throw Error(ErrorKind::kInvalidArgument,
                "the data holds " + std::to_string(text.size()) + " tokens, fewer than " + even.name,
                "lower --sequences or --length");
  }
  for (std::size_t s = 0; s < sequences; ++s) even.batch.add(std::span(text).subspan(s * length, length));
  return {even, ragged};
}

// Both routers in both combinations, two experts a token.
std::vector<RoutedModel> make_models(const std::shared_ptr<const BaseModel>& base, std::int64_t experts,
                                     const GlobalOptions& global) {
  const TemporaryDirectory scratch(std::filesystem::temp_directory_path());
  ExpertLibrary library = ExpertLibrary::create((scratch.path() / "library").string());
  fill_with_random_experts(library, *base, experts, global.seed.value_or(42));
  std::vector<RouterOptions> routers;
  for (const char* name : {"arrow", "phatgoose"}) {
    for (const Combine combine : {Combine::kOutput, Combine::kParameter})
      routers.push_back({.router = name,
                         .top_k = static_cast<int>(std::min<std::int64_t>(2, experts)),
                         .combine = combine});
  }
  return RoutedModel::compose_all(base, library, routers);
}

// The base and the model in turn, so that what disturbs the machine meets both.
void compare(const std::string& name, const RaggedBatch& batch, const RoutedModel& base,
             const RoutedModel& model, std::int64_t repetitions, BenchReport& report) {
  Measurement ratio{name + ", against base", "1", {}}, seconds{name, "s", {}};
  model.forward(batch);
  for (std::int64_t repetition = 0; repetition < repetitions; ++repetition) {
    const double plain = seconds_of([&] { base.forward(batch); });
    seconds.values.push_back(seconds_of([&] { model.forward(batch); }));
    ratio.values.push_back(seconds.values.back() / plain);
    throw_if_interrupted("nothing was written");
  }
  report.measurements.push_back(std::move(seconds));
  report.measurements.push_back(std::move(ratio));
}

void run(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  const at::NoGradGuard no_gradients;
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(arguments.base), global.model_options());
  const std::vector<NamedBatch> batches = make_batches(arguments, *base);
  const RoutedModel plain(base);
  for (const NamedBatch& batch : batches) plain.forward(batch.batch);
  start_peak_memory();
  BenchReport report;
  for (const std::int64_t experts : arguments.experts) {
    const std::vector<RoutedModel> models = make_models(base, experts, global);
    for (const NamedBatch& batch : batches) {
      for (const RoutedModel& model : models) {
        const std::string name =
            std::to_string(experts) + " experts, " + bench_name(model) + ", " + batch.name;
        compare(name, batch.batch, plain, model, arguments.repetitions, report);
      }
    }
  }
  for (const NamedBatch& batch : batches) report.quality["tokens"][batch.name] = batch.batch.tokens();
  publish(report, arguments.out);
}

}  // namespace

void add_bench_route(Command& bench, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = bench.add_subcommand(
      "route", "A forward pass through Arrow and PhatGOOSE, two experts a token, against the base's own");
  command->add_option("BASE", arguments->base, "A Hugging Face folder, a .gguf file or a fetched name")
      ->required();
  arguments->data.add_to(*command);
  command
      ->add_option("--experts", arguments->experts, "Sizes of the library of random experts, comma-separated")
      ->delimiter(',')
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--sequences", arguments->sequences)->check(Number::kPositive)->capture_default_str();
  command->add_option("--length", arguments->length, "Tokens a sequence")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--repetitions", arguments->repetitions)
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--out", arguments->out, "JSON file to write");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
