#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quiver/routed_model.h"

namespace quiver {

// A completion to score after its prompt. Tokenized jointly and split at the character offset: a token
// belongs to the completion when it ends after the prompt does. Without a prompt it is scored after
// begin-of-text, or end-of-text where the tokenizer has none.
struct ScoreRequest {
  RoutedModel model;
  std::string prompt;
  std::string completion;
  std::string task_name = {};
  bool append_end_of_text = false;
  // Prompt and completion as tokens, the completion's from `begin`, at least 1, on. When there are some, the
  // texts are not looked at, but that neighbours with one prompt share its run.
  std::vector<std::int32_t> ids = {};
  std::size_t begin = 0;
};

struct Score {
  double logprob = 0;       // sum over the completion's tokens, natural logarithm
  std::int64_t tokens = 0;  // of the completion
  bool greedy = false;      // every token of it is the most likely one
  double end_logprob = 0;   // of the end-of-text token after the completion, when it was asked for; else 0
  std::int64_t dropped_tokens = 0;  // of the prompt, which was too long
  // By expert: of routers that decide once a sequence as Binding::expert_weights; with record_routing, of
  // token routers the mean over the prompt's tokens and the adapted slots, as Generation::expert_weights.
  std::vector<double> expert_weights = {};
  // Why this request failed; the rest is then 0. kInvalidArgument (an empty or too long completion),
  // kNotFound, kUnsupported, kNotFinite as in Generation.
  std::optional<Error> error = {};
};

struct ScoreOptions {
  // Tokens run at once; only a single text may have more. Caches hold up to four times as many meanwhile.
  std::int64_t token_budget = 4096;
  std::int64_t max_input_length = 1 << 30;  // the prompts of longer texts are cut; at most the positions + 1
  Truncation truncation = Truncation::kLeft;
  bool record_routing = false;  // of token routers; costs time
};

// Scores every completion; results in the order of the requests. Neighbouring requests with the same model
// and prompt run the shared beginning once; what all requests with one adapter begin with also runs once.
// `on_progress` is told how many requests are done. A request that fails says so in its own result, and the
// others go on. Throws Error(kInvalidArgument) for models of different bases.
std::vector<Score> score(std::span<const ScoreRequest> requests, const ScoreOptions& options = {},
                         const std::function<void(std::size_t)>& on_progress = {});

}  // namespace quiver
