#include <chrono>
#include <cmath>

#include "data/unicode_text.h"
#include "eval/accuracy_counter.h"
#include "eval/continuation_split.h"
#include "eval/evaluated_model.h"
#include "eval/require_done.h"
#include "quiver/error.h"
#include "quiver/evaluation.h"
#include "quiver/scoring.h"

namespace quiver {
namespace {

enum class ChoiceMetric { kSum, kPerCharacter, kPerToken };

ChoiceMetric parse_metric(const std::string& name) {
  if (name == "acc") return ChoiceMetric::kSum;
  if (name == "acc_norm") return ChoiceMetric::kPerCharacter;
  if (name == "mttl") return ChoiceMetric::kPerToken;
  throw Error(ErrorKind::kInvalidArgument, "unknown metric '" + name + "' for multiple choice",
              "it is acc, acc_norm or mttl");
}

// What a choice's score is compared by. A choice without a character is never the best per character.
double value_of(ChoiceMetric metric, const Score& score, const std::string& choice) {
  switch (metric) {
    case ChoiceMetric::kSum:
      return score.logprob;
    case ChoiceMetric::kPerCharacter:
      return choice.empty() ? -INFINITY : score.logprob / static_cast<double>(character_length(choice));
    case ChoiceMetric::kPerToken:
      return (score.logprob + score.end_logprob) / static_cast<double>(score.tokens + 1);
  }
  return 0;
}

// The first of the largest values.
std::size_t best(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

std::string place_of(const ChoiceQuestion& question, std::size_t choice) {
  const std::string where = question.where.empty() ? "" : question.where + ": ";
  return where + "question " + question.id + ", of task '" + question.task + "', choice " +
         std::to_string(choice + 1);
}

std::vector<ScoreRequest> requests_for(const RoutedModel& whole, EvaluatedModel& served,
                                       std::span<const ChoiceQuestion> questions, bool with_end) {
  ContinuationSplitter splitter(whole);
  std::vector<ScoreRequest> requests;
  for (const ChoiceQuestion& question : questions) {
    for (std::size_t i = 0; i < question.choices.size(); ++i) {
      const auto split = [&] {
        try {
          return splitter.split(question.prompts[i], question.continuations[i]);
        } catch (const Error& error) {
          throw error_of(error, place_of(question, i));
        }
      };
      TextIds text = split();
      requests.push_back({.model = served.for_task(question.task),
                          .prompt = question.prompts[i],
                          .completion = {},
                          .task_name = question.task,
                          .append_end_of_text = with_end,
                          .ids = std::move(text.ids),
                          .begin = text.begin});
    }
  }
  return requests;
}

void require_scores(std::span<const ChoiceQuestion> questions, const std::vector<Score>& scores) {
  std::size_t next = 0;
  for (const ChoiceQuestion& question : questions) {
    for (std::size_t i = 0; i < question.choices.size(); ++i)
      require_done(scores[next++].error, place_of(question, i));
  }
}

Evaluation measure(ChoiceMetric metric, std::span<const ChoiceQuestion> questions,
                   const std::vector<Score>& scores) {
  Evaluation evaluation;
  AccuracyCounter counter;
  std::size_t next = 0;
  for (const ChoiceQuestion& question : questions) {
    std::vector<double> values;
    for (const std::string& choice : question.choices)
      values.push_back(value_of(metric, scores[next++], choice));
    evaluation.chosen.push_back(best(values));
    counter.add(question.task, evaluation.chosen.back() == question.answer);
  }
  counter.fill(evaluation);
  return evaluation;
}

// The routing of every question's first prompt, as it was scored.
RoutingTally routing_of(EvaluatedModel& served, std::span<const ChoiceQuestion> questions,
                        const std::vector<Score>& scores) {
  std::size_t next = 0;
  for (const ChoiceQuestion& question : questions) {
    served.record(question.task, scores[next].expert_weights);
    next += question.choices.size();
  }
  return served.routing();
}

}  // namespace

std::vector<ChoiceEvaluation> evaluate_choices(std::span<const RoutedModel> models,
                                               std::span<const ChoiceQuestion> questions,
                                               const std::vector<std::string>& metrics,
                                               const EvaluationObserver& observer, Truncation truncation,
                                               const RoutingOptions& routing) {
  if (questions.empty()) throw Error(ErrorKind::kInvalidArgument, "there are no questions to evaluate");
  std::vector<ChoiceMetric> wanted;
  for (const std::string& name : metrics) wanted.push_back(parse_metric(name));
  const bool with_end = std::count(wanted.begin(), wanted.end(), ChoiceMetric::kPerToken) > 0;
  std::vector<ChoiceEvaluation> results;
  for (const RoutedModel& model : models) {
    EvaluatedModel served(model, routing.own_expert);
    const std::vector<ScoreRequest> requests = requests_for(model, served, questions, with_end);
    const auto start = std::chrono::steady_clock::now();
    std::size_t reported = 0;
    const ScoreOptions options{.truncation = truncation, .record_routing = routing.record};
    const std::vector<Score> scores = score(requests, options, [&](std::size_t done) {
      if (observer) observer(static_cast<std::int64_t>(done - reported));
      reported = done;
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

    require_scores(questions, scores);
    if (results.empty()) warn_of_cut_texts(scores, truncation);
    const RoutingTally tally = routing.record ? routing_of(served, questions, scores) : RoutingTally();
    ChoiceEvaluation result;
    std::int64_t tokens = 0;
    for (const Score& score : scores) tokens += score.tokens + (with_end ? 1 : 0);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      Evaluation evaluation = measure(wanted[i], questions, scores);
      evaluation.metric = metrics[i];
      evaluation.routing = tally;
      evaluation.seconds = seconds;
      evaluation.tokens = tokens;
      result.metrics.push_back(std::move(evaluation));
    }
    std::size_t next = 0;
    for (const ChoiceQuestion& question : questions) {
      std::vector<double>& sums = result.logprobs.emplace_back();
      for (std::size_t i = 0; i < question.choices.size(); ++i) sums.push_back(scores[next++].logprob);
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace quiver
