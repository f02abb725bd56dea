#include "modular/decoding_sequence.h"

#include <algorithm>

#include "quiver/error.h"

namespace quiver {
namespace {

[[noreturn]] void refuse(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorKind::kInvalidArgument, message, hint);
}

void check_counts(const SequenceRequest& request, const ModelShape& shape) {
  const auto prompt = static_cast<std::int64_t>(request.prompt.size());
  if (prompt == 0) refuse("a prompt has no tokens");
  if (request.max_new_tokens < 0)
    refuse("max_new_tokens is " + std::to_string(request.max_new_tokens) + ", it must be 0 or more");
  if (prompt > shape.max_positions || request.max_new_tokens > shape.max_positions - prompt) {
    refuse(std::to_string(prompt) + " tokens of the prompt and " + std::to_string(request.max_new_tokens) +
               " new ones do not fit in the " + std::to_string(shape.max_positions) +
               " positions of the model",
           "shorten the prompt, or ask for fewer new tokens");
  }
  for (const std::int32_t id : request.prompt) {
    if (id >= 0 && id < shape.vocabulary) continue;
    refuse("the prompt has token " + std::to_string(id) + ", the model has tokens 0 to " +
           std::to_string(shape.vocabulary - 1));
  }
  if (request.top_logprobs && (*request.top_logprobs < 0 || *request.top_logprobs > shape.vocabulary))
    refuse("top_logprobs is " + std::to_string(*request.top_logprobs) + ", it must be from 0 to " +
           std::to_string(shape.vocabulary));
}

// The record of token `id` under logits (V).
TokenRecord record_of(std::int32_t id, const at::Tensor& logits, std::int64_t top) {
  const at::Tensor logprobs = at::log_softmax(logits.to(at::kCPU, at::kFloat), 0).contiguous();
  TokenRecord record{.id = id, .logprob = logprobs.const_data_ptr<float>()[id]};
  if (top == 0) return record;
  const auto [values, indices] = logprobs.topk(top);
  for (std::int64_t i = 0; i < top; ++i) {
    record.top.push_back({static_cast<std::int32_t>(indices.const_data_ptr<std::int64_t>()[i]),
                          values.const_data_ptr<float>()[i]});
  }
  return record;
}

bool contains(const std::vector<std::int32_t>& ids, std::int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

void check_request(const SequenceRequest& request, const BaseModel& base) {
  if (&request.model.base() != &base) refuse("the sequences of one batch must share their base model");
  check_counts(request, base.shape());
  validate(request.sampling, base.shape().vocabulary);
  for (const std::string& stop : request.stop) {
    if (stop.empty()) refuse("a stop text is empty");
  }
}

std::int64_t most_tokens(const SequenceRequest& request) {
  return static_cast<std::int64_t>(request.prompt.size()) + request.max_new_tokens;
}
std::int64_t most_pages(const SequenceRequest& request) { return CachePool::pages_for(most_tokens(request)); }

bool may_share_pages(const SequenceRequest& request) {
  return !request.prompt_logprobs && request.routing == RoutingRecord::kNone;
}

DecodingSequence::DecodingSequence(std::uint64_t name, SequenceRequest what, Binding how,
                                   const BaseModel& base, const std::shared_ptr<CachePool>& pool)
    : id(name),
      request(std::move(what)),
      binding(std::move(how)),
      ids(request.prompt),
      cache(base.make_cache(most_tokens(request), pool)),
      text(base.tokenizer(), request.stop),
      sampler(request.sampling, request.prompt) {
  if (request.routing != RoutingRecord::kNone)
    trace.emplace(request.model, binding, request.routing, prompt_tokens());
  begin_event();
}

void DecodingSequence::begin_with(SequenceCache prompt) {
  cache = std::move(prompt);
  cache.truncate(prompt_tokens() - 1);
  has_looked = true;
}

void DecodingSequence::begin_event() {
  event = {.sequence = id,
           .prompt_tokens = prompt_tokens(),
           .cached_tokens = cached_tokens,
           .new_tokens = new_tokens()};
}

void DecodingSequence::read_prompt(const BaseModel& base, std::int64_t begin, const at::Tensor& hidden) {
  constexpr std::int64_t kRows = 128;  // whose logits exist at one time
  const std::int64_t top = request.top_logprobs.value_or(0);
  if (event.prompt.empty()) event.prompt.push_back({.id = ids.front()});
  const std::int64_t rows = std::min(hidden.size(0), prompt_tokens() - 1 - begin);
  for (std::int64_t first = 0; first < rows; first += kRows) {
    const at::Tensor logits = base.logits(hidden.slice(0, first, std::min(first + kRows, rows)));
    for (std::int64_t i = 0; i < logits.size(0); ++i) {
      const std::int32_t next = ids[static_cast<std::size_t>(begin + first + i + 1)];
      event.prompt.push_back(record_of(next, logits[i], top));
    }
  }
}

void DecodingSequence::finish(FinishReason reason, const std::optional<StopPlace>& stop) {
  event.text += text.finish(std::span(ids).subspan(request.prompt.size()), stop);
  event.finish = reason;
}

bool DecodingSequence::advance(const BaseModel& base, const at::Tensor& logits, std::int32_t likeliest) {
  if (request.max_new_tokens == 0) {
    finish(FinishReason::kLength);
    return false;
  }
  const std::int32_t token = sampler.is_plain() ? likeliest : sampler.choose(logits);
  if (contains(request.stop_ids, token) ||
      (!request.ignore_stop_tokens && contains(base.stop_ids(), token))) {
    if (request.top_logprobs) event.stop_token = record_of(token, logits, *request.top_logprobs);
    finish(FinishReason::kStop);
    return false;
  }
  event.tokens.push_back(request.top_logprobs ? record_of(token, logits, *request.top_logprobs)
                                              : TokenRecord{.id = token});
  ids.push_back(token);
  sampler.count(token);
  event.new_tokens = new_tokens();
  if (const std::optional<StopPlace> stop = text.add(token)) {
    finish(FinishReason::kStop, stop);
    return false;
  }
  event.text += text.take();
  if (event.new_tokens < request.max_new_tokens) return true;
  finish(FinishReason::kLength);
  return false;
}

}  // namespace quiver
