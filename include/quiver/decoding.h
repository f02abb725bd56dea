#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quiver/routed_model.h"

namespace quiver {

// How the next token is chosen from its logits. Penalties and biases change the logits, then temperature,
// min_p, top_k and top_p leave the tokens that may be drawn, in this order.
struct SamplingOptions {
  double temperature = 0;                       // 0: the likeliest token
  double top_p = 1;                             // the smallest set of tokens with this probability
  std::int64_t top_k = 0;                       // the k likeliest; 0: all
  double min_p = 0;                             // those at least this share as likely as the likeliest one
  double presence_penalty = 0;                  // off the logit of every token that was generated before
  double frequency_penalty = 0;                 // the same, times how often
  double repetition_penalty = 1;                // of prompt and new tokens (Keskar et al. 2019, section 4.1)
  std::map<std::int32_t, double> logit_bias{};  // added; -100 and 100 forbid and force, as at OpenAI
  std::uint64_t seed = 42;                      // decides alone what is drawn
};
// Throws Error(kInvalidArgument) for a value out of its range, with the value; `vocabulary`: ids below it.
void validate(const SamplingOptions& options, std::int64_t vocabulary);

struct TokenLogprob {
  std::int32_t id = 0;
  double logprob = 0;
};

// A token, and where it was asked for the natural logarithm of its probability in the model's softmax,
// before anything of SamplingOptions, with the likeliest tokens beside it, best first.
struct TokenRecord {
  std::int32_t id = 0;
  double logprob = 0;
  std::vector<TokenLogprob> top = {};
};

// What is kept of the routing: nothing, what a prompt got (Generation::expert_weights, token_experts), or
// the weights of every token and slot.
enum class RoutingRecord { kNone, kPrompt, kSlots };

// One sequence to continue. Holds its model.
struct SequenceRequest {
  RoutedModel model;
  std::vector<std::int32_t> prompt;  // as it is run: see RoutedModel::prompt_ids
  std::string task_name = {};        // for the oracle
  std::int64_t max_new_tokens = 16;  // 0: the prompt alone is run
  SamplingOptions sampling = {};
  std::vector<std::string> stop = {};       // texts as GenerationOptions::stop
  std::vector<std::int32_t> stop_ids = {};  // beside the base's own
  bool ignore_stop_tokens = false;          // the base's own
  // How many of the likeliest tokens are recorded beside each new token; 0: its own logprob alone.
  std::optional<std::int64_t> top_logprobs = {};
  bool prompt_logprobs = false;  // the same of the prompt's tokens
  RoutingRecord routing = RoutingRecord::kNone;
};

enum class FinishReason {
  kStop,       // a stop token, id or text
  kLength,     // max_new_tokens
  kCancelled,  // by the caller, or its deadline
  kFailed,     // see the error
};

// What happened to a sequence. Those of one sequence, joined, are its whole result.
struct SequenceEvent {
  std::uint64_t sequence = 0;  // as DecodingBatch::add or Engine::submit named it
  // New text without special tokens, in whole characters, up to the stop text. What may become a stop text
  // waits for the next event; a character that never becomes whole comes, broken, with the last one.
  std::string text = {};
  std::vector<TokenRecord> tokens =
      {};  // new ones up to here; a stop token is left out, a stop text's are in
  // Last event, with top_logprobs: the stop token that ended it, if one did.
  std::optional<TokenRecord> stop_token = {};
  // First event, with prompt_logprobs: the prompt's tokens. The first has no probability; its logprob is 0.
  std::vector<TokenRecord> prompt = {};
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  // of the prompt, that did not have to be run
  std::int64_t new_tokens = 0;     // so far
  // First event, with a routing record: as in Generation.
  std::vector<double> expert_weights = {};
  std::vector<std::int32_t> token_experts = {};
  // With RoutingRecord::kSlots: (rows, slots, E) float32 by RoutedModel::adapted_slots() and expert_names(),
  // a row for every token that was run: the prompt's, then every new one's but the last. The row before a
  // new token is what chose it.
  at::Tensor routing = {};
  std::optional<FinishReason> finish = {};  // the last event
  std::optional<Error> error = {};          // with kFailed and, for a deadline, kCancelled
};

struct DecodingOptions {
  std::int64_t max_sequences = 8;     // decoded together
  std::int64_t prompt_tokens = 4096;  // of prompts in one step, about; longer prompts are run in such slices
  // Bytes of keys and values. 0: no bound, and nothing is kept. Else pages whose sequences have ended stay
  // while there is room, for prompts that begin alike under the same experts and weights.
  std::int64_t cache_memory = 0;
};

// What a decoding batch holds and has done.
struct DecodingStats {
  std::int64_t sequences = 0;
  std::int64_t pending_tokens = 0;  // of prompts, still to be run
  std::int64_t cache_pages = 0;     // that fit into cache_memory; 0: no bound
  std::int64_t used_pages = 0;      // held by sequences
  std::int64_t kept_pages = 0;      // held for prompts to come alone
  std::int64_t prefix_queries = 0;  // tokens of prompts that were looked for among the kept ones,
  std::int64_t prefix_hits = 0;     // and those that were found
};

// Sequences over one base that are decoded together, each with its own model and options: in a step prompts
// are read and every other sequence gets a token. What a sequence gets depends on its request alone: not on
// its neighbours, but for the rounding of products over more or fewer rows. One thread at a time.
class DecodingBatch {
 public:
  explicit DecodingBatch(std::shared_ptr<const BaseModel> base, DecodingOptions options = {});
  DecodingBatch(DecodingBatch&&) noexcept;
  ~DecodingBatch();

  // Throws what add() would for its values, but not what its model's bind() throws; also
  // Error(kInvalidArgument) for a sequence that does not fit into cache_memory alone.
  void check(const SequenceRequest& request) const;
  // Whether one more may join now: a place is free, and few enough tokens of prompts wait to be read,
  // or were looked at since the last step.
  bool has_room() const;
  // Whether all that it may ever need fits into cache_memory beside what the others may.
  bool has_memory_for(const SequenceRequest& request) const;
  // Takes up a sequence. Throws Error: kInvalidArgument (no prompt, an id outside the vocabulary, another
  // base, more tokens than the model has positions, values out of range), and as RoutedModel::bind.
  std::uint64_t add(SequenceRequest request);
  // Lets go of a sequence, which gets no further event. Unknown ids are ignored.
  void cancel(std::uint64_t sequence);

  bool is_empty() const;
  // One step. Sequences whose logits are not finite end with Error(kNotFinite).
  std::vector<SequenceEvent> step();

  DecodingStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quiver
