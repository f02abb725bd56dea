#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "quiver/dataset.h"
#include "quiver/routed_model.h"

namespace quiver {

// What one metric came to for one model.
struct Evaluation {
  std::string metric;                      // "rougeL" (0..100), "acc", "acc_norm" or "mttl" (0..1)
  double value = 0;                        // mean over all examples
  std::map<std::string, double> per_task;  // mean over each task's examples
  std::int64_t n = 0;                      // examples
  double seconds = 0;                      // of the whole call, shared out among the models by their tokens
  std::int64_t tokens = 0;                 // generated, or scored
  std::vector<std::size_t> chosen = {};    // multiple choice: the answer taken, by question
};

// Called with the number of finished examples since the last call, over all models.
using EvaluationObserver = std::function<void(std::int64_t)>;

// Rouge-L (Lin 2004, eq. 4 with beta = 1; the tokenisation and stemming of google-research rouge_score) of
// greedy continuations against the examples' targets, times 100. One Evaluation per model, in their order.
// All models must share one base; their requests share batches of options.batch_size sequences a model, and
// no weights are loaded twice. Throws what generate() throws.
std::vector<Evaluation> evaluate_rouge(std::span<const RoutedModel> models,
                                       const std::vector<Example>& examples, const GenerationOptions& options,
                                       const EvaluationObserver& observer = {});

// Multiple choice in ARC's original JSON lines: "Question: {stem}\nAnswer:" and " {choice}". Three
// Evaluations per model, in the order of the models: "acc", the largest sum of log-probabilities; "acc_norm",
// per character of the choice (both as lm-evaluation-harness); "mttl", the largest mean per token with the
// end-of-text token appended, as mttl. `limit` > 0 takes the first questions only. `task` names the data set
// for the oracle and in per_task.
std::vector<std::vector<Evaluation>> evaluate_choices(std::span<const RoutedModel> models,
                                                      const std::filesystem::path& questions,
                                                      std::int64_t limit, const std::string& task,
                                                      const EvaluationObserver& observer = {});

}  // namespace quiver
