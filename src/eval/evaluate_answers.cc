#include <chrono>

#include "eval/accuracy_counter.h"
#include "eval/evaluated_model.h"
#include "eval/require_done.h"
#include "modular/prompt_ids.h"
#include "quiver/error.h"
#include "quiver/evaluation.h"

namespace quiver {

std::vector<AnswerEvaluation> evaluate_answers(std::span<const RoutedModel> models,
                                               std::span<const TextQuestion> questions,
                                               AnswerExtraction extraction, const GenerationOptions& options,
                                               const EvaluationObserver& observer, OwnExpert own_expert) {
  if (questions.empty()) throw Error(ErrorKind::kInvalidArgument, "there are no questions to evaluate");
  std::vector<AnswerEvaluation> results;
  for (const RoutedModel& model : models) {
    EvaluatedModel served(model, own_expert);
    std::vector<GenerationRequest> requests;
    for (const TextQuestion& question : questions)
      requests.push_back({served.for_task(question.task), question.prompt, question.task});
    const auto start = std::chrono::steady_clock::now();
    const std::vector<Generation> generations =
        generate(requests, options, {.on_done = [&](std::size_t, const Generation&) {
                   if (observer) observer(1);
                 }});
    if (results.empty()) warn_of_cut_texts(generations, options.truncation);
    AnswerEvaluation result;
    Evaluation& evaluation = result.exact_match;
    evaluation.metric = "exact_match";
    evaluation.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    AccuracyCounter counter;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      require_done(generations[i].error,
                   "question " + questions[i].id + ", of task '" + questions[i].task + "'");
      result.texts.push_back(generations[i].text);
      result.answers.push_back(extract_answer(generations[i].text, extraction));
      counter.add(questions[i].task, result.answers.back() == questions[i].answer);
      served.record(questions[i].task, generations[i].expert_weights);
      evaluation.tokens += static_cast<std::int64_t>(generations[i].ids.size());
    }
    counter.fill(evaluation);
    evaluation.routing = served.routing();
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace quiver
