#include <ATen/ATen.h>

#include <memory>

#include "commands.h"
#include "json_lines.h"
#include "model_arguments.h"

namespace quiver::program {
namespace {

struct Arguments {
  ModelArguments model;
  std::string prompt, task_name, out;
};

// One token's chosen experts, heaviest first.
Json token_choice(const at::Tensor& row, const std::vector<std::string>& names) {
  const at::Tensor order = row.argsort(true, 0, true);
  Json choices = Json::array();
  for (std::int64_t i = 0; i < row.size(0); ++i) {
    const auto expert = order[i].item<std::int64_t>();
    const double weight = row[expert].item<double>();
    if (weight > 0)
      choices.push_back({{"expert", names[static_cast<std::size_t>(expert)]}, {"weight", weight}});
  }
  return choices;
}

void run(const Arguments& arguments, const GlobalOptions& global) {
  check_output(arguments.out);
  const RoutedModel model = arguments.model.load_one(global);
  const Tokenizer& tokenizer = model.base().tokenizer();
  const std::vector<std::int32_t> ids = model.prompt_ids(arguments.prompt);
  Json tokens = Json::array();
  for (const std::int32_t id : ids) tokens.push_back({{"id", id}, {"text", tokenizer.decode({&id, 1})}});
  Json slots = Json::object();
  for (const auto& [path, weights] : model.route(arguments.prompt, arguments.task_name)) {
    Json per_token = Json::array();
    for (std::int64_t t = 0; t < weights.size(0); ++t)
      per_token.push_back(token_choice(weights[t], model.expert_names()));
    slots[path] = std::move(per_token);
  }
  Json result = {{"router", router_name(model.router())},
                 {"experts", model.expert_names()},
                 {"tokens", tokens},
                 {"slots", slots}};
  // One decision for all tokens: no expert in it where the base alone serves the prompt.
  const std::vector<double> weights = model.bind(ids, arguments.task_name).expert_weights;
  if (!weights.empty())
    result["decision"] = token_choice(at::tensor(weights, at::kDouble), model.expert_names());
  write_output(arguments.out, dump_json(result, arguments.out.empty() ? -1 : 1) + "\n");
}

}  // namespace

void add_route(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      program.add_subcommand("route", "Which experts every token uses in every layer, and how much");
  arguments->model.add_to(*command);
  command->add_option("--prompt", arguments->prompt)->required();
  command->add_option("--task-name", arguments->task_name, "Task of the prompt, for the oracle");
  command->add_option("--out", arguments->out, "File to write instead of stdout");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
