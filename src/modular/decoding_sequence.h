#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "modular/routing_trace.h"
#include "modular/streamed_text.h"
#include "modular/token_sampler.h"
#include "quiver/decoding.h"

namespace quiver {

// Throws what DecodingBatch::check says of a request's values.
void check_request(const SequenceRequest& request, const BaseModel& base);

// That a sequence may ever have.
std::int64_t most_tokens(const SequenceRequest& request);
std::int64_t most_pages(const SequenceRequest& request);
// Whether pages that were made before it serve it: not where all its tokens must be seen.
bool may_share_pages(const SequenceRequest& request);

// One sequence of a decoding batch.
struct DecodingSequence {
  DecodingSequence(std::uint64_t name, SequenceRequest what, Binding how, const BaseModel& base,
                   const std::shared_ptr<CachePool>& pool);
  DecodingSequence(const DecodingSequence&) = delete;  // its text borrows from its request

  std::int64_t prompt_tokens() const { return static_cast<std::int64_t>(request.prompt.size()); }
  std::int64_t pending() const { return static_cast<std::int64_t>(ids.size()) - cache.length(); }
  std::int64_t new_tokens() const { return static_cast<std::int64_t>(ids.size()) - prompt_tokens(); }
  // Whether it reads its prompt, or for new positions everything once more.
  bool reads() const { return pending() > 1 || cache.length() < prompt_tokens(); }
  void begin_event();
  // Takes over the keys and values of its whole prompt; the last token is left to be run.
  void begin_with(SequenceCache prompt);

  // Records the prompt's tokens that follow those from `begin` on, of hidden states (n, hidden).
  void read_prompt(const BaseModel& base, std::int64_t begin, const at::Tensor& hidden);
  // Takes the next token from its logits (V), of which `likeliest` has the largest. Whether it goes on.
  bool advance(const BaseModel& base, const at::Tensor& logits, std::int32_t likeliest);
  void finish(FinishReason reason, const std::optional<StopPlace>& stop = {});

  std::uint64_t id;
  SequenceRequest request;
  Binding binding;
  std::vector<std::int32_t> ids;  // prompt and new tokens
  SequenceCache cache;            // of the first of them
  StreamedText text;              // borrows the request's stop texts
  TokenSampler sampler;
  std::optional<RoutingTrace> trace;
  SequenceEvent event;             // what has not been told
  std::int64_t cached_tokens = 0;  // of its prompt, that were there
  bool has_looked = false;         // for them
};

}  // namespace quiver
