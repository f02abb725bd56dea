#include <algorithm>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "core/json.h"
#include "core/log.h"
#include "core/strings.h"
#include "data_arguments.h"
#include "interrupt.h"
#include "model_cache.h"
#include "progress.h"
#include "quiver/adaptation.h"
#include "storage/names.h"
#include "training_run.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string library, base, to, name, task, method = "gradient";
  DataArguments data;
  std::int64_t shots = 0;
  AdaptOptions options;
};

// Whether the library's oracle would have two experts for a task.
bool is_covered(const ExpertLibrary& library, const std::vector<std::string>& tasks) {
  for (const std::string& name : library.names()) {
    for (const std::string& task : library.info(name).tasks) {
      if (std::find(tasks.begin(), tasks.end(), task) != tasks.end()) return true;
    }
  }
  return false;
}

void log_weights(const Json& record) {
  std::vector<std::string> shown;
  for (std::size_t e = 0; e < record.at("experts").size(); ++e) {
    char weight[32];
    std::snprintf(weight, sizeof weight, " %.3f", record.at("weights")[e].get<double>());
    shown.push_back(record.at("experts")[e].get<std::string>() + weight);
  }
  log_info("weights: " + join(shown, ", "));
}

void run(const Arguments& arguments, const GlobalOptions& global) {
  ExperimentConfig config = arguments.data.load(global);
  config.finetune_task_name = {arguments.task};
  const ExpertLibrary source = ExpertLibrary::open(arguments.library);
  require_new_name(arguments.name, "expert name");
  ExpertLibrary target = arguments.to.empty() ? source : ExpertLibrary::open_or_create(arguments.to);
  if (target.contains(arguments.name)) {
    throw Error(ErrorKind::kAlreadyExists,
                "library " + target.uri() + " has an expert '" + arguments.name + "' already",
                "give another --name");
  }
  TaskDataset data = load_dataset(config);
  data.subsample(Split::kTrain, static_cast<double>(arguments.shots), false);
  AdaptOptions options = arguments.options;
  options.method = parse_adapt_method(arguments.method);
  options.training.seed = static_cast<std::uint64_t>(config.seed);
  options.training.bos = config.bos;
  options.training.max_input_length = config.max_input_length;
  options.training.truncation_side = config.truncation_side;
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(arguments.base), base_options(global, config));
  const bool steps = options.method == AdaptMethod::kGradient;
  Progress progress("adapt " + arguments.task, steps ? options.training.total_steps : options.evaluations,
                    steps ? "steps" : "evaluations");
  Expert adapted = adapt_experts(source, *base, data, options, arguments.name, [&](const TrainingStep&) {
    progress.advance(1);
    throw_if_interrupted("nothing was written");
  });
  const Json& record = adapted.info.training.at("adapt");
  log_weights(record);
  if (is_covered(target, adapted.info.tasks)) {
    adapted.info.tasks.clear();
    log_info("'" + arguments.name + "' names no tasks, since the library has an expert for '" +
             arguments.task + "'; see --to");
  }
  target.add(adapted);
  char losses[96];
  std::snprintf(losses, sizeof losses, "loss %.4f, of the base alone %.4f",
                adapted.info.metrics.at("loss").get<double>(),
                adapted.info.metrics.at("base_loss").get<double>());
  log_info("'" + arguments.name + "' in " + target.uri() + ", from " +
           std::to_string(record.at("shots").get<std::int64_t>()) + " rows: " + losses);
}

void add_options(Command& command, Arguments& arguments) {
  arguments.data.add_to(command);
  command.add_option("--task", arguments.task, "Whose training rows to learn from")->required();
  command.add_option("--shots", arguments.shots, "How many rows")->required()->check(Number::kPositive);
  command.add_option("--name", arguments.name, "Of the new expert")->required();
  command
      .add_option("--method", arguments.method,
                  "gradient (positive weights of sum 1, as Poly), or lorahub (a search in [-1.5, 1.5])")
      ->check(parsed_by(parse_adapt_method))
      ->capture_default_str();
  AdaptOptions& options = arguments.options;
  command.add_option("--experts", options.experts, "Which to weigh, comma-separated (default: all)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--n-steps", options.training.total_steps, "Of gradient")
      ->check(Number::kPositive)
      ->capture_default_str();
  command.add_option("--learning-rate", options.training.learning_rate, "Of gradient")
      ->check(number_above_zero())
      ->capture_default_str();
  command.add_option("--batch-size", options.training.batch_size, "Of gradient: rows per step")
      ->check(Number::kPositive)
      ->capture_default_str();
  command.add_option("--evaluations", options.evaluations, "Of lorahub: how often the loss is measured")
      ->check(Number::kPositive)
      ->capture_default_str();
  command.add_option("--rank", options.rank, "At most, of the new expert (default: the sum of all, exactly)")
      ->check(Range{1, 1 << 20});
  command.add_option("--to", arguments.to, "Another library for the new expert");
}

}  // namespace

void add_adapt(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand(
      "adapt", "Weigh a library's experts on a few rows of a task and join them into one");
  command->add_option("LIBRARY", arguments->library)->required();
  command->add_option("BASE", arguments->base, "Base model: folder, .gguf file or fetched name")->required();
  add_options(*command, *arguments);
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
