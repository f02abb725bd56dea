#include "quiver/transfer.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "core/files.h"
#include "core/json.h"
#include "data_arguments.h"
#include "interrupt.h"
#include "json_lines.h"
#include "model_arguments.h"
#include "model_cache.h"
#include "progress.h"
#include "quiver/report.h"
#include "quiver/version.h"
#include "training_run.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string library, base, out, picture, split = "test";
  DataArguments data;
  std::vector<std::string> experts;
  std::optional<std::string> bos;
  std::optional<std::int64_t> max_new_tokens;
  std::int64_t limit = 0;
};

// Tasks down, the base and the experts across. A loss is the darker the lower it is among those of its task.
std::vector<MatrixPanel> panels_of(const TransferMatrix& matrix) {
  MatrixPanel rouge{
      .title = "Rouge-L", .subtitle = "of greedy continuations, 0 to 100", .rows = matrix.tasks};
  MatrixPanel loss{
      .title = "loss", .subtitle = "per target token; darkest: lowest of the task", .rows = matrix.tasks};
  for (MatrixPanel* panel : {&rouge, &loss}) {
    for (const TransferRow& row : matrix.rows)
      panel->columns.push_back(row.expert.empty() ? "base alone" : row.expert);
  }
  for (std::size_t t = 0; t < matrix.tasks.size(); ++t) {
    double least = matrix.rows[0].loss[t], most = least;
    for (const TransferRow& row : matrix.rows) {
      least = std::min(least, row.loss[t]);
      most = std::max(most, row.loss[t]);
    }
    for (MatrixPanel* panel : {&rouge, &loss}) {
      panel->shades.emplace_back();
      panel->texts.emplace_back();
    }
    for (const TransferRow& row : matrix.rows) {
      char text[32];
      std::snprintf(text, sizeof text, "%.0f", row.rouge_l[t]);
      rouge.shades.back().push_back(row.rouge_l[t] / 100);
      rouge.texts.back().emplace_back(text);
      std::snprintf(text, sizeof text, row.loss[t] < 10 ? "%.2f" : "%.1f", row.loss[t]);
      loss.shades.back().push_back(most > least ? (most - row.loss[t]) / (most - least) : 0);
      loss.texts.back().emplace_back(text);
    }
  }
  return {rouge, loss};
}

void run(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  if (!arguments.picture.empty()) check_writable(arguments.picture);
  const ExperimentConfig config = arguments.data.load(global);
  const ExpertLibrary library = ExpertLibrary::open(arguments.library);
  TaskDataset data = load_dataset(config);
  const Split split = parse_split(arguments.split);
  if (arguments.limit > 0) data.take_first(split, arguments.limit);
  const std::vector<Example>& examples = data.examples(split);
  TransferOptions options{.experts = arguments.experts};
  options.generation.max_new_tokens = arguments.max_new_tokens.value_or(config.max_output_length);
  options.generation.max_input_length = config.max_input_length;
  if (!arguments.data.config.empty()) options.generation.batch_size = config.predict_batch_size;
  options.bos = arguments.bos ? parse_begin_of_text(*arguments.bos) : config.bos;
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(arguments.base), base_options(global, config));
  const std::size_t rows = 1 + (options.experts.empty() ? library.names() : options.experts).size();
  Progress progress("transfer", static_cast<std::int64_t>(2 * rows * examples.size()), "texts");
  const TransferMatrix matrix =
      compute_transfer_matrix(base, library, examples, options, [&](std::int64_t done) {
        progress.advance(done);
        throw_if_interrupted("nothing was written");
      });
  Json file = to_json(matrix);
  file.update({{"quiver", kVersion},
               {"machine", machine_description()},
               {"base", arguments.base},
               {"library", arguments.library},
               {"split", arguments.split}});
  write_output(arguments.out, dump_json(file, 1) + "\n");
  if (!arguments.picture.empty()) plot_matrices(panels_of(matrix), arguments.picture);
}

}  // namespace

void add_transfer(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand(
      "transfer", "Each expert of a library, and the base alone, on each task: loss and Rouge-L");
  command->add_option("LIBRARY", arguments->library)->required();
  command->add_option("BASE", arguments->base, "Base model: folder, .gguf file or fetched name")->required();
  arguments->data.add_to(*command);
  arguments->data.add_tasks_to(*command);
  add_split_option(*command, arguments->split);
  command->add_option("--limit", arguments->limit, "Only the first N rows of each task")
      ->check(Number::kPositive);
  command->add_option("--experts", arguments->experts, "Which, comma-separated (default: all)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--max-new-tokens", arguments->max_new_tokens, "Default: the config's max_output_length")
      ->check(Number::kPositive);
  add_bos_option(*command, arguments->bos, "Begin-of-text before texts: auto, always or never");
  command->add_option("--out", arguments->out, "JSON file to write (default: stdout)");
  command->add_option("--picture", arguments->picture, "Both matrices, drawn: .svg or .png");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
