#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "model/first_not_finite.h"
#include "modular/adapters.h"
#include "modular/prefix_cache.h"
#include "modular/routing_trace.h"
#include "modular/streamed_text.h"
#include "modular/token_sampler.h"
#include "quiver/decoding.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

using Adapter = std::shared_ptr<const LinearAdapter>;

// That a sequence may ever have.
std::int64_t most_tokens(const SequenceRequest& request) {
  return static_cast<std::int64_t>(request.prompt.size()) + request.max_new_tokens;
}
std::int64_t most_pages(const SequenceRequest& request) {
  return (most_tokens(request) + CachePool::kPositions - 1) / CachePool::kPositions;
}

struct Sequence {
  Sequence(std::uint64_t name, SequenceRequest what, Binding how, const BaseModel& base,
           const std::shared_ptr<CachePool>& pool)
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

  std::int64_t prompt_tokens() const { return static_cast<std::int64_t>(request.prompt.size()); }
  std::int64_t pending() const { return static_cast<std::int64_t>(ids.size()) - cache.length(); }
  std::int64_t new_tokens() const { return static_cast<std::int64_t>(ids.size()) - prompt_tokens(); }
  // Whether it reads its prompt, or for new positions everything once more.
  bool reads() const { return pending() > 1 || cache.length() < prompt_tokens(); }
  void begin_event() {
    event = {.sequence = id,
             .prompt_tokens = prompt_tokens(),
             .cached_tokens = cached_tokens,
             .new_tokens = new_tokens()};
  }
  // Whether pages that others made serve it: not where all its tokens must be seen.
  bool may_share() const { return !request.prompt_logprobs && !trace; }

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

// The tokens of one sequence in a step.
struct Slice {
  Sequence* sequence;
  std::int64_t begin, end;                  // of its ids
  Adapter adapter;                          // what runs them
  std::int64_t first_row = 0, end_row = 0;  // of the hidden states that are wanted

  bool reaches_end() const { return end == static_cast<std::int64_t>(sequence->ids.size()); }
  // Whether the hidden states of all its tokens are wanted.
  bool wants_all() const { return sequence->request.prompt_logprobs && sequence->new_tokens() == 0; }
};

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

struct DecodingBatch::State {
  std::shared_ptr<const BaseModel> base;
  DecodingOptions options;
  std::vector<std::unique_ptr<Sequence>> active = {};  // those of an adapter together, in order of arrival
  // Adapters in the order of their first sequences, kept while a sequence has them.
  std::map<Adapter, std::size_t> ranks = {};
  std::size_t next_rank = 0;
  std::uint64_t next_id = 1;
  std::shared_ptr<CachePool> pool = base->make_cache_pool();
  std::optional<PrefixCache> prefixes = {};  // where there is a budget
  std::int64_t prefix_queries = 0, prefix_hits = 0;

  std::int64_t budget() const { return options.cache_memory / pool->page_bytes(); }  // pages
  std::set<const void*> held_pages() const;                                          // by sequences
  bool begin_with_prefix(Sequence& sequence);
  void keep_prefix(const Sequence& sequence);
  void make_room(std::span<const Slice> slices);
  void leave(const std::function<bool(const Sequence&)>& leaves);
  std::int64_t pending_prompts() const;
  std::vector<Slice> choose_slices();
  at::Tensor run(std::vector<Slice>& slices);  // the wanted hidden states
  void read_prompt(const Slice& slice, const at::Tensor& hidden) const;
  // Gives the sequence its next token; whether it goes on.
  bool advance(Sequence& sequence, const at::Tensor& logits, std::int32_t likeliest) const;
  void finish(Sequence& sequence, FinishReason reason, const std::optional<StopPlace>& stop = {}) const;
  std::vector<SequenceEvent> give_tokens(const std::vector<Slice>& slices, const at::Tensor& logits);
};

std::set<const void*> DecodingBatch::State::held_pages() const {
  std::set<const void*> held;
  for (const auto& sequence : active) {
    for (const at::Tensor& page : sequence->cache.pages()) held.insert(page.unsafeGetTensorImpl());
  }
  return held;
}

// Lets a sequence that has not begun take over what is kept of its prompt's beginning; one token at least is
// left to be run. False: more is coming, let it wait.
bool DecodingBatch::State::begin_with_prefix(Sequence& sequence) {
  if (!prefixes || sequence.has_looked || !sequence.may_share()) return true;
  const std::span<const std::int32_t> looked_for =
      std::span(sequence.request.prompt).first(sequence.ids.size() - 1);
  PrefixCache::Found found = prefixes->find(sequence.binding, looked_for);
  if (found.next_is_coming) return false;
  sequence.has_looked = true;
  sequence.cache.begin_with(found.pages);
  sequence.cached_tokens = sequence.event.cached_tokens = sequence.cache.length();
  prefix_queries += sequence.prompt_tokens();
  prefix_hits += sequence.cached_tokens;
  prefixes->announce(sequence.binding, looked_for, sequence.id);
  return true;
}

void DecodingBatch::State::keep_prefix(const Sequence& sequence) {
  if (!prefixes) return;
  const std::int64_t whole = sequence.cache.length() / CachePool::kPositions;
  prefixes->keep(sequence.binding,
                 std::span(sequence.ids).first(static_cast<std::size_t>(whole * CachePool::kPositions)),
                 sequence.cache.pages());
}

// Lets go of kept pages where the step needs more than there are.
void DecodingBatch::State::make_room(std::span<const Slice> slices) {
  if (!prefixes) return;
  std::int64_t wanted = pool->taken() - budget();
  for (const Slice& slice : slices) {
    const std::int64_t pages = (slice.end + CachePool::kPositions - 1) / CachePool::kPositions;
    wanted += pages - static_cast<std::int64_t>(slice.sequence->cache.pages().size());
  }
  if (wanted > 0) prefixes->evict(wanted);
}

void DecodingBatch::State::leave(const std::function<bool(const Sequence&)>& leaves) {
  std::erase_if(active, [&](const auto& one) {
    if (!leaves(*one)) return false;
    if (prefixes) prefixes->forget(one->id);
    return true;
  });
  std::erase_if(ranks, [](const auto& entry) { return entry.first.use_count() == 1; });
}

std::int64_t DecodingBatch::State::pending_prompts() const {
  std::int64_t tokens = 0;
  for (const auto& sequence : active) {
    if (sequence->reads()) tokens += sequence->pending();
  }
  return tokens;
}

// Every sequence that has read its prompt; of prompts, in the order in which they came, about as many tokens
// as a step may have. How a prompt is cut depends on the prompt alone.
std::vector<Slice> DecodingBatch::State::choose_slices() {
  std::vector<Sequence*> arrived;
  for (const auto& sequence : active) arrived.push_back(sequence.get());
  std::ranges::sort(arrived, {}, &Sequence::id);
  std::map<const Sequence*, std::int64_t> chosen;
  std::int64_t prompt_tokens = 0;
  for (Sequence* sequence : arrived) {
    if (sequence->reads() && (prompt_tokens >= options.prompt_tokens || !begin_with_prefix(*sequence)))
      continue;
    std::int64_t tokens = sequence->pending();
    if (sequence->reads()) {
      // Positions that change with the length leave no choice but all at once.
      if (base->shape().cache_boundary == 0) tokens = std::min(tokens, options.prompt_tokens);
      prompt_tokens += tokens;
    }
    chosen[sequence] = tokens;
  }
  std::vector<Slice> slices;
  for (const auto& sequence : active) {
    const auto found = chosen.find(sequence.get());
    if (found == chosen.end()) continue;
    const std::int64_t begin = sequence->cache.length();
    slices.push_back({.sequence = sequence.get(),
                      .begin = begin,
                      .end = begin + found->second,
                      .adapter = sequence->trace ? sequence->trace->adapter_for(begin, found->second)
                                                 : sequence->binding.adapter});
  }
  return slices;
}

at::Tensor DecodingBatch::State::run(std::vector<Slice>& slices) {
  RaggedBatch batch;
  RowRangeAdapter adapter;
  std::vector<SequenceCache*> caches;
  std::vector<std::int64_t> rows;
  for (Slice& slice : slices) {
    const std::int64_t before = batch.tokens();
    batch.add(std::span(slice.sequence->ids)
                  .subspan(static_cast<std::size_t>(slice.begin),
                           static_cast<std::size_t>(slice.end - slice.begin)));
    adapter.add(before, batch.tokens(), slice.adapter.get());
    caches.push_back(&slice.sequence->cache);
    slice.first_row = static_cast<std::int64_t>(rows.size());
    for (std::int64_t row = slice.wants_all() ? before : batch.tokens() - 1; row < batch.tokens(); ++row)
      rows.push_back(row);
    slice.end_row = static_cast<std::int64_t>(rows.size());
  }
  batch.rows = std::move(rows);
  return base->forward(batch, adapter.for_batch(batch.tokens()), caches);
}

// Records the prompt's tokens that follow those of the slice.
void DecodingBatch::State::read_prompt(const Slice& slice, const at::Tensor& hidden) const {
  if (!slice.wants_all()) return;
  Sequence& sequence = *slice.sequence;
  constexpr std::int64_t kRows = 128;  // whose logits exist at one time
  const std::int64_t top = sequence.request.top_logprobs.value_or(0);
  std::vector<TokenRecord>& records = sequence.event.prompt;
  if (records.empty()) records.push_back({.id = sequence.ids.front()});
  const std::int64_t end = std::min(slice.end, sequence.prompt_tokens() - 1);
  for (std::int64_t token = slice.begin; token < end; token += kRows) {
    const std::int64_t count = std::min(kRows, end - token);
    const at::Tensor logits = base->logits(hidden.narrow(0, slice.first_row + token - slice.begin, count));
    for (std::int64_t i = 0; i < count; ++i)
      records.push_back(record_of(sequence.ids[static_cast<std::size_t>(token + i + 1)], logits[i], top));
  }
}

void DecodingBatch::State::finish(Sequence& sequence, FinishReason reason,
                                  const std::optional<StopPlace>& stop) const {
  const auto added = sequence.ids.size() - sequence.request.prompt.size();
  sequence.event.text += sequence.text.finish(std::span(sequence.ids).last(added), stop);
  sequence.event.finish = reason;
}

bool DecodingBatch::State::advance(Sequence& sequence, const at::Tensor& logits,
                                   std::int32_t likeliest) const {
  const SequenceRequest& request = sequence.request;
  SequenceEvent& event = sequence.event;
  if (request.max_new_tokens == 0) {
    finish(sequence, FinishReason::kLength);
    return false;
  }
  const std::int32_t token = sequence.sampler.is_plain() ? likeliest : sequence.sampler.choose(logits);
  if (contains(request.stop_ids, token) ||
      (!request.ignore_stop_tokens && contains(base->stop_ids(), token))) {
    finish(sequence, FinishReason::kStop);
    return false;
  }
  event.tokens.push_back(request.top_logprobs ? record_of(token, logits, *request.top_logprobs)
                                              : TokenRecord{.id = token});
  sequence.ids.push_back(token);
  sequence.sampler.count(token);
  event.new_tokens = sequence.new_tokens();
  if (const std::optional<StopPlace> stop = sequence.text.add(token)) {
    finish(sequence, FinishReason::kStop, stop);
    return false;
  }
  event.text += sequence.text.take();
  if (event.new_tokens == request.max_new_tokens) {
    finish(sequence, FinishReason::kLength);
    return false;
  }
  // Where the model's positions change, all tokens are run again.
  if (sequence.cache.length() == base->shape().cache_boundary)
    sequence.cache = base->make_cache(sequence.cache.capacity(), pool);
  return true;
}

std::vector<SequenceEvent> DecodingBatch::State::give_tokens(const std::vector<Slice>& slices,
                                                             const at::Tensor& logits) {
  const bool finite = all_finite(logits);
  const at::Tensor likeliest = logits.argmax(1).to(at::kCPU, at::kInt).contiguous();
  std::vector<SequenceEvent> events;
  std::set<const Sequence*> ended;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    Sequence& sequence = *slices[i].sequence;
    const at::Tensor row = logits[static_cast<std::int64_t>(i)];
    bool goes_on = true;
    if (!finite && !all_finite(row)) {
      sequence.event.error = not_finite_error(*base, sequence.ids, sequence.binding.adapter.get());
      finish(sequence, FinishReason::kFailed);
      goes_on = false;
    } else if (slices[i].reaches_end()) {
      if (sequence.trace && sequence.new_tokens() == 0) sequence.trace->tell_prompt(sequence.event);
      goes_on = advance(sequence, row, likeliest.const_data_ptr<std::int32_t>()[i]);
    }
    const bool has_read = slices[i].begin < sequence.prompt_tokens();
    if (!sequence.event.error && (has_read || !goes_on)) keep_prefix(sequence);
    if (!goes_on) ended.insert(&sequence);
    if (goes_on && sequence.event.text.empty()) continue;
    if (sequence.trace) sequence.trace->move_rows(sequence.event);
    events.push_back(std::move(sequence.event));
    sequence.begin_event();
  }
  leave([&](const Sequence& one) { return ended.contains(&one); });
  return events;
}

DecodingBatch::DecodingBatch(std::shared_ptr<const BaseModel> base, DecodingOptions options)
    : state_(std::make_unique<State>(State{std::move(base), options})) {
  if (options.max_sequences < 1 || options.prompt_tokens < 1 || options.cache_memory < 0)
    refuse("max_sequences and prompt_tokens must be at least 1, cache_memory at least 0");
  // Keys change with a sequence's length where there is a boundary: nothing of them can be shared.
  if (options.cache_memory > 0 && state_->base->shape().cache_boundary == 0)
    state_->prefixes.emplace(state_->pool);
}
DecodingBatch::DecodingBatch(DecodingBatch&&) noexcept = default;
DecodingBatch::~DecodingBatch() = default;

void DecodingBatch::check(const SequenceRequest& request) const {
  const BaseModel& base = *state_->base;
  if (&request.model.base() != &base) refuse("the sequences of one batch must share their base model");
  check_counts(request, base.shape());
  validate(request.sampling, base.shape().vocabulary);
  for (const std::string& stop : request.stop) {
    if (stop.empty()) refuse("a stop text is empty");
  }
  if (state_->options.cache_memory > 0 && most_pages(request) > state_->budget()) {
    refuse("a sequence of " + std::to_string(most_tokens(request)) + " tokens takes " +
               std::to_string(most_pages(request) * state_->pool->page_bytes()) +
               " bytes of keys and values, more than the " + std::to_string(state_->options.cache_memory) +
               " there are",
           "ask for fewer new tokens, or give more cache memory");
  }
}

bool DecodingBatch::has_room() const {
  return static_cast<std::int64_t>(state_->active.size()) < state_->options.max_sequences &&
         state_->pending_prompts() < state_->options.prompt_tokens;
}

bool DecodingBatch::has_memory_for(const SequenceRequest& request) const {
  const State& state = *state_;
  if (state.options.cache_memory == 0) return true;
  std::int64_t pages = static_cast<std::int64_t>(state.held_pages().size()) + most_pages(request);
  for (const auto& sequence : state.active)
    pages += most_pages(sequence->request) - static_cast<std::int64_t>(sequence->cache.pages().size());
  return pages <= state.budget();
}

std::uint64_t DecodingBatch::add(SequenceRequest request) {
  check(request);
  State& state = *state_;
  const at::NoGradGuard no_gradients;
  Binding binding = request.model.bind(request.prompt, request.task_name);
  state.ranks.try_emplace(binding.adapter, state.next_rank++);
  const std::uint64_t id = state.next_id++;
  state.active.push_back(
      std::make_unique<Sequence>(id, std::move(request), std::move(binding), *state.base, state.pool));
  // Sequences with one adapter stand together, so that it runs once for all their rows.
  std::ranges::stable_sort(state.active, {},
                           [&](const auto& one) { return state.ranks.at(one->binding.adapter); });
  return id;
}

void DecodingBatch::cancel(std::uint64_t sequence) {
  state_->leave([&](const Sequence& one) { return one.id == sequence; });
}

bool DecodingBatch::is_empty() const { return state_->active.empty(); }

std::vector<SequenceEvent> DecodingBatch::step() {
  State& state = *state_;
  const at::NoGradGuard no_gradients;
  std::vector<Slice> slices = state.choose_slices();
  if (slices.empty()) return {};
  state.make_room(slices);
  const at::Tensor hidden = state.run(slices);
  std::vector<std::int64_t> last_rows;
  for (const Slice& slice : slices) {
    state.read_prompt(slice, hidden);
    last_rows.push_back(slice.end_row - 1);
  }
  const at::Tensor logits =
      state.base->logits(static_cast<std::int64_t>(last_rows.size()) == hidden.size(0)
                             ? hidden
                             : hidden.index_select(0, at::tensor(last_rows).to(hidden.device())));
  return state.give_tokens(slices, logits);
}

DecodingStats DecodingBatch::stats() const {
  const State& state = *state_;
  DecodingStats stats{.sequences = static_cast<std::int64_t>(state.active.size()),
                      .pending_tokens = state.pending_prompts(),
                      .prefix_queries = state.prefix_queries,
                      .prefix_hits = state.prefix_hits};
  if (state.options.cache_memory == 0) return stats;
  stats.cache_pages = state.budget();
  stats.used_pages = static_cast<std::int64_t>(state.held_pages().size());
  stats.kept_pages = state.pool->taken() - stats.used_pages;
  return stats;
}

}  // namespace quiver
