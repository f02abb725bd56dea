#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "modular/stop_search.h"
#include "modular/token_sampler.h"
#include "quiver/routed_model.h"

namespace quiver {

// Sequences that are decoded together, a token each in every step. Borrows base and options, and every
// request until it has ended.
class DecodingBatch {
 public:
  DecodingBatch(const BaseModel& base, const GenerationOptions& options) : base_(base), options_(options) {}

  bool is_empty() const { return active_.empty(); }
  // Whether one more sequence fits, and its prompt in the next step.
  bool has_room() const;
  std::int64_t sequences() const { return static_cast<std::int64_t>(active_.size()); }
  std::int64_t prompt_tokens() const { return prompt_tokens_; }  // that the next step will run

  // Takes up the call's request number `place`. Throws Error where it cannot be run.
  void add(std::size_t place, const GenerationRequest& request);

  // Gives every sequence a token. Those that end leave, with their places.
  std::vector<std::pair<std::size_t, Generation>> step();

 private:
  struct Sequence {
    std::size_t place;
    const GenerationRequest* request;
    Binding binding;
    std::shared_ptr<const LinearAdapter> recorder;  // runs the prompt, where routing is recorded
    std::vector<std::int32_t> ids;                  // all tokens so far
    std::vector<std::int32_t> pending;              // tokens not yet run: the prompt, then one token a step
    SequenceCache cache;
    StopSearch stops;
    std::optional<TokenSampler> sampler;  // none: greedy
    Generation result;
    at::Tensor recorded;  // (T, E): the weights of the prompt's tokens, summed over slots

    const LinearAdapter* adapter() const { return recorder ? recorder.get() : binding.adapter.get(); }
  };

  void record(Sequence& sequence) const;        // lets the first step keep the prompt's routing
  static void keep_record(Sequence& sequence);  // after that step
  at::Tensor run();  // (sequences, V): the logits after every sequence's last token
  bool advance(Sequence& sequence, std::int32_t token) const;  // whether it goes on
  void run_next(Sequence& sequence, std::int32_t token) const;
  void end(Sequence& sequence, const std::optional<StopPlace>& stop) const;  // writes its text

  const BaseModel& base_;
  const GenerationOptions& options_;
  std::vector<Sequence> active_;  // those of an adapter stand together, in the order in which they came
  // Adapters in the order of their first sequences, kept while a sequence has them.
  std::map<std::shared_ptr<const LinearAdapter>, std::size_t> ranks_;
  std::size_t next_rank_ = 0;
  std::int64_t prompt_tokens_ = 0;
};

}  // namespace quiver
