#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "quiver/dataset.h"
#include "quiver/generation.h"
#include "quiver/measures.h"
#include "quiver/task.h"

namespace quiver {

// What one metric came to for one model.
struct Evaluation {
  // "rougeL" (0..100); "acc", "acc_norm", "mttl" or "exact_match" (0..1)
  std::string metric;
  double value = 0;                        // mean over all examples
  std::map<std::string, double> per_task;  // mean over each task's examples
  std::int64_t n = 0;                      // examples
  double seconds = 0;                      // of the whole call, shared out among the models by their tokens
  std::int64_t tokens = 0;                 // generated, or scored
  std::vector<double> scores = {};         // of every example, on the metric's scale; `value` is their mean
  std::vector<std::size_t> chosen = {};    // multiple choice: the answer taken, by question
  std::vector<std::string> texts = {};     // rougeL: the continuation, by example
  // Where routing was recorded, of models with experts: what experts served the prompts, and (rougeL), by
  // example, the expert of each of the prompt's tokens, as Generation::token_experts.
  RoutingTally routing = {};
  std::vector<std::vector<std::int32_t>> token_experts = {};
};

// Which experts a prompt may be served by.
enum class OwnExpert {
  kIncluded,  // all
  // All but the one that was trained on the prompt's task (its cluster's). Only the base, the oracle and
  // `expert:NAME` stay whole: they are what routers are measured against.
  kLeftOut,
};

// What evaluate_choices() does beside scoring.
struct RoutingOptions {
  // Fill Evaluation::routing. Costs one more run over the prompts of models that decide token by token.
  bool record = false;
  OwnExpert own_expert = OwnExpert::kIncluded;
};

// Called with the number of finished examples since the last call, over all models.
using EvaluationObserver = std::function<void(std::int64_t)>;

// Rouge-L (Lin 2004, eq. 4 with beta = 1; the tokenization and stemming of google-research rouge_score) of
// greedy continuations against the examples' targets, times 100. One Evaluation per model, in their order.
// All models must share one base; their requests share batches of options.batch_size sequences a model, and
// no weights are loaded twice. Routing is recorded where `options` say so. Throws what generate() throws, the
// first failure among its results, naming the example, and with OwnExpert::kLeftOut what
// RoutedModel::without_expert() throws, naming the task.
std::vector<Evaluation> evaluate_rouge(std::span<const RoutedModel> models,
                                       const std::vector<Example>& examples, const GenerationOptions& options,
                                       const EvaluationObserver& observer = {},
                                       OwnExpert own_expert = OwnExpert::kIncluded);

// Multiple choice of one model.
struct ChoiceEvaluation {
  std::vector<Evaluation> metrics;            // in the order asked for
  std::vector<std::vector<double>> logprobs;  // by question and choice; sums, natural logarithm
};

// Multiple choice: every continuation is scored after its prompt. Metrics: "acc", the largest sum of
// log-probabilities; "acc_norm", per character of the choice (both as lm-evaluation-harness 0.4, the first on
// ties); "mttl", the largest mean per token with the end-of-text token appended, as mttl. As in the harness,
// white space at the end of a prompt is scored with the continuation, both are tokenized jointly, and the
// continuation begins after as many tokens as the prompt alone has; begin-of-text stands where the harness
// puts it, and is an empty prompt. A text that is too long for the model is cut as `truncation` says, which a
// warning counts. One ChoiceEvaluation per model, in their order. Throws Error(kInvalidArgument) for an
// unknown metric, no questions, or a continuation without a token, what score() throws, and the first failure
// among its results, naming the question.
std::vector<ChoiceEvaluation> evaluate_choices(std::span<const RoutedModel> models,
                                               std::span<const ChoiceQuestion> questions,
                                               const std::vector<std::string>& metrics,
                                               const EvaluationObserver& observer = {},
                                               Truncation truncation = Truncation::kLeft,
                                               const RoutingOptions& routing = {});

// Written answers of one model.
struct AnswerEvaluation {
  Evaluation exact_match;
  std::vector<std::string> texts;    // generated, by question
  std::vector<std::string> answers;  // what was taken out of them
};

// The share of greedy continuations whose extracted answer is the expected one, character by character. One
// AnswerEvaluation per model, in their order; all must share one base. Throws as evaluate_rouge.
std::vector<AnswerEvaluation> evaluate_answers(std::span<const RoutedModel> models,
                                               std::span<const TextQuestion> questions,
                                               AnswerExtraction extraction, const GenerationOptions& options,
                                               const EvaluationObserver& observer = {},
                                               OwnExpert own_expert = OwnExpert::kIncluded);

// What an extraction takes out of a generated text.
std::string extract_answer(const std::string& text, AnswerExtraction extraction);

}  // namespace quiver
