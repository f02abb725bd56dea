#include <chrono>

#include "eval/evaluated_model.h"
#include "eval/require_done.h"
#include "eval/rouge.h"
#include "modular/prompt_ids.h"
#include "quiver/error.h"
#include "quiver/evaluation.h"

namespace quiver {

std::vector<Evaluation> evaluate_rouge(std::span<const RoutedModel> models,
                                       const std::vector<Example>& examples, const GenerationOptions& options,
                                       const EvaluationObserver& observer, OwnExpert own_expert) {
  if (examples.empty()) throw Error(ErrorKind::kInvalidArgument, "there is no example to evaluate on");
  // Example by example, so that the models' requests for one prompt are neighbours in a batch.
  std::vector<EvaluatedModel> served;
  for (const RoutedModel& model : models) served.emplace_back(model, own_expert);
  std::vector<GenerationRequest> requests;
  for (const Example& example : examples) {
    for (EvaluatedModel& model : served)
      requests.push_back({model.for_task(example.task_name), example.source, example.task_name});
  }
  // Every model gets the batch it would have alone: the weights are read once a step for all of them.
  GenerationOptions together = options;
  together.batch_size *= static_cast<std::int64_t>(models.size());
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Generation> generations =
      generate(requests, together, {.on_done = [&](std::size_t, const Generation&) {
                 if (observer) observer(1);
               }});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  warn_of_cut_texts(generations, options.truncation);
  std::int64_t all_tokens = 0;
  std::vector<Evaluation> results(models.size());
  for (std::size_t m = 0; m < models.size(); ++m) {
    Evaluation& result = results[m];
    result.metric = "rougeL";
    result.n = static_cast<std::int64_t>(examples.size());
    std::map<std::string, std::int64_t> counts;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const Generation& generation = generations[i * models.size() + m];
      require_done(generation.error,
                   "example " + std::to_string(i + 1) + ", of task '" + examples[i].task_name + "'");
      const double score = 100.0 * rouge_l(generation.text, examples[i].target);
      result.value += score / static_cast<double>(result.n);
      result.scores.push_back(score);
      result.texts.push_back(generation.text);
      served[m].record(examples[i].task_name, generation.expert_weights);
      if (options.record_routing)
        result.token_experts.push_back(
            served[m].whole_places(examples[i].task_name, generation.token_experts));
      result.per_task[examples[i].task_name] += score;
      ++counts[examples[i].task_name];
      result.tokens += static_cast<std::int64_t>(generation.ids.size());
    }
    result.routing = served[m].routing();
    for (auto& [task, sum] : result.per_task) sum /= static_cast<double>(counts[task]);
    all_tokens += result.tokens;
  }
  for (Evaluation& result : results) {
    result.seconds = seconds * static_cast<double>(result.tokens) /
                     static_cast<double>(std::max<std::int64_t>(1, all_tokens));
  }
  return results;
}

}  // namespace quiver
