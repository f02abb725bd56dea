#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "model/first_not_finite.h"
#include "modular/adapters.h"
#include "modular/decoding_sequence.h"
#include "modular/prefix_cache.h"
#include "modular/prompt_run.h"
#include "quiver/decoding.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

using Adapter = std::shared_ptr<const LinearAdapter>;

// The tokens of one sequence in a step.
struct Slice {
  DecodingSequence* sequence;
  std::int64_t begin, end;                  // of its ids
  Adapter adapter;                          // what runs them
  std::int64_t first_row = 0, end_row = 0;  // of the hidden states that are wanted

  bool reaches_end() const { return end == static_cast<std::int64_t>(sequence->ids.size()); }
  // Whether the hidden states of all its tokens are wanted.
  bool wants_all() const { return sequence->request.prompt_logprobs && sequence->new_tokens() == 0; }
};

}  // namespace

struct DecodingBatch::State {
  std::shared_ptr<const BaseModel> base;
  DecodingOptions options;
  std::vector<std::unique_ptr<DecodingSequence>> active =
      {};  // those of an adapter together, in order of arrival
  // Adapters in the order of their first sequences, kept while a sequence has them.
  std::map<Adapter, std::size_t> ranks = {};
  std::size_t next_rank = 0;
  std::uint64_t next_id = 1;
  std::shared_ptr<CachePool> pool = base->make_cache_pool();
  std::optional<PrefixCache> prefixes = {};  // where there is a budget
  std::int64_t prefix_queries = 0, prefix_hits = 0;
  std::int64_t looked_tokens = 0;  // of prompts that models looked at since the last step

  std::int64_t budget() const { return options.cache_memory / pool->page_bytes(); }  // pages
  std::int64_t held_pages() const;                                                   // by sequences
  bool begin_with_prefix(DecodingSequence& sequence);
  void keep_prefix(const DecodingSequence& sequence);
  void make_room(std::int64_t pages);
  void leave(const std::function<bool(const DecodingSequence&)>& leaves);
  std::int64_t pending_prompts() const;
  std::vector<Slice> choose_slices();
  at::Tensor run(std::vector<Slice>& slices);  // the wanted hidden states
  std::vector<SequenceEvent> give_tokens(const std::vector<Slice>& slices, const at::Tensor& logits);
};

// A page that several share counts once.
std::int64_t DecodingBatch::State::held_pages() const {
  std::vector<const void*> held;
  for (const auto& sequence : active) {
    for (const at::Tensor& page : sequence->cache.pages()) held.push_back(page.unsafeGetTensorImpl());
  }
  std::ranges::sort(held);
  return std::ranges::unique(held).begin() - held.begin();
}

// Lets a sequence that has not begun take over what is kept of its prompt's beginning; one token at least is
// left to be run. False: more is coming, let it wait.
bool DecodingBatch::State::begin_with_prefix(DecodingSequence& sequence) {
  if (!prefixes || sequence.has_looked || !may_share_pages(sequence.request)) return true;
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

void DecodingBatch::State::keep_prefix(const DecodingSequence& sequence) {
  if (!prefixes) return;
  const std::int64_t whole = sequence.cache.length() / CachePool::kPositions;
  prefixes->keep(sequence.binding,
                 std::span(sequence.ids).first(static_cast<std::size_t>(whole * CachePool::kPositions)),
                 sequence.cache.pages());
}

// Lets go of kept pages where that many more are not there.
void DecodingBatch::State::make_room(std::int64_t pages) {
  const std::int64_t wanted = pages + pool->taken() - budget();
  if (prefixes && wanted > 0) prefixes->evict(wanted);
}

void DecodingBatch::State::leave(const std::function<bool(const DecodingSequence&)>& leaves) {
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
  std::vector<DecodingSequence*> arrived;
  for (const auto& sequence : active) arrived.push_back(sequence.get());
  std::ranges::sort(arrived, {}, &DecodingSequence::id);
  std::map<const DecodingSequence*, std::int64_t> chosen;
  std::int64_t prompt_tokens = 0;
  for (DecodingSequence* sequence : arrived) {
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

std::vector<SequenceEvent> DecodingBatch::State::give_tokens(const std::vector<Slice>& slices,
                                                             const at::Tensor& logits) {
  const bool finite = all_finite(logits);
  const at::Tensor likeliest = logits.argmax(1).to(at::kCPU, at::kInt).contiguous();
  std::vector<SequenceEvent> events;
  std::set<const DecodingSequence*> ended;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    DecodingSequence& sequence = *slices[i].sequence;
    const at::Tensor row = logits[static_cast<std::int64_t>(i)];
    bool goes_on = true;
    if (!finite && !all_finite(row)) {
      sequence.event.error = not_finite_error(*base, sequence.ids, sequence.binding.adapter.get());
      sequence.finish(FinishReason::kFailed);
      goes_on = false;
    } else if (slices[i].reaches_end()) {
      if (sequence.trace && sequence.new_tokens() == 0) sequence.trace->tell_prompt(sequence.event);
      goes_on = sequence.advance(*base, row, likeliest.const_data_ptr<std::int32_t>()[i]);
      // Where the model's positions change, all tokens are run again.
      if (goes_on && sequence.cache.length() == base->shape().cache_boundary)
        sequence.cache = base->make_cache(sequence.cache.capacity(), pool);
    }
    const bool has_read = slices[i].begin < sequence.prompt_tokens();
    if (!sequence.event.error && (has_read || !goes_on)) keep_prefix(sequence);
    if (!goes_on) ended.insert(&sequence);
    if (goes_on && sequence.event.text.empty()) continue;
    if (sequence.trace) sequence.trace->move_rows(sequence.event);
    events.push_back(std::move(sequence.event));
    sequence.begin_event();
  }
  leave([&](const DecodingSequence& one) { return ended.contains(&one); });
  return events;
}

DecodingBatch::DecodingBatch(std::shared_ptr<const BaseModel> base, DecodingOptions options)
    : state_(std::make_unique<State>(State{std::move(base), options})) {
  if (options.max_sequences < 1 || options.prompt_tokens < 1 || options.cache_memory < 0)
    throw Error(ErrorKind::kInvalidArgument,
                "max_sequences and prompt_tokens must be at least 1, cache_memory at least 0");
  // Keys change with a sequence's length where there is a boundary: nothing of them can be shared.
  if (options.cache_memory > 0 && state_->base->shape().cache_boundary == 0)
    state_->prefixes.emplace(state_->pool);
}
DecodingBatch::DecodingBatch(DecodingBatch&&) noexcept = default;
DecodingBatch::~DecodingBatch() = default;

void DecodingBatch::check(const SequenceRequest& request) const {
  check_request(request, *state_->base);
  const std::int64_t memory = state_->options.cache_memory;
  if (memory == 0 || most_pages(request) <= state_->budget()) return;
  throw Error(ErrorKind::kInvalidArgument,
              "a sequence of " + std::to_string(most_tokens(request)) + " tokens takes " +
                  std::to_string(most_pages(request) * state_->pool->page_bytes()) +
                  " bytes of keys and values, more than the " + std::to_string(memory) + " there are",
              "ask for fewer new tokens, or give more cache memory");
}

bool DecodingBatch::has_room() const {
  return static_cast<std::int64_t>(state_->active.size()) < state_->options.max_sequences &&
         state_->pending_prompts() + state_->looked_tokens < state_->options.prompt_tokens;
}

bool DecodingBatch::has_memory_for(const SequenceRequest& request) const {
  const State& state = *state_;
  if (state.options.cache_memory == 0) return true;
  std::int64_t pages = state.held_pages() + most_pages(request);
  for (const auto& sequence : state.active)
    pages += most_pages(sequence->request) - static_cast<std::int64_t>(sequence->cache.pages().size());
  return pages <= state.budget();
}

std::uint64_t DecodingBatch::add(SequenceRequest request) {
  check(request);
  State& state = *state_;
  const at::NoGradGuard no_gradients;
  // Where the model looks at the prompt, that is kept: it may turn out to be the base's own run.
  const bool looks =
      request.model.looks_at_prompts() && may_share_pages(request) && state.base->shape().cache_boundary == 0;
  const auto tokens = static_cast<std::int64_t>(request.prompt.size());
  if (request.model.looks_at_prompts()) state.looked_tokens += tokens;
  if (looks) state.make_room(CachePool::pages_for(tokens));
  PromptRun prompt(*state.base, request.prompt, request.task_name, looks ? state.pool : nullptr,
                   most_tokens(request));
  Binding binding = request.model.bind(prompt);
  std::optional<SequenceCache> read;
  if (!binding.adapter) read = prompt.finish();
  state.ranks.try_emplace(binding.adapter, state.next_rank++);
  const std::uint64_t id = state.next_id++;
  state.active.push_back(std::make_unique<DecodingSequence>(id, std::move(request), std::move(binding),
                                                            *state.base, state.pool));
  if (read) state.active.back()->begin_with(std::move(*read));
  // DecodingSequences with one adapter stand together, so that it runs once for all their rows.
  std::ranges::stable_sort(state.active, {},
                           [&](const auto& one) { return state.ranks.at(one->binding.adapter); });
  return id;
}

void DecodingBatch::cancel(std::uint64_t sequence) {
  state_->leave([&](const DecodingSequence& one) { return one.id == sequence; });
}

bool DecodingBatch::is_empty() const { return state_->active.empty(); }

std::vector<SequenceEvent> DecodingBatch::step() {
  State& state = *state_;
  state.looked_tokens = 0;
  const at::NoGradGuard no_gradients;
  std::vector<Slice> slices = state.choose_slices();
  if (slices.empty()) return {};
  std::int64_t more_pages = 0;
  for (const Slice& slice : slices)
    more_pages +=
        CachePool::pages_for(slice.end) - static_cast<std::int64_t>(slice.sequence->cache.pages().size());
  state.make_room(more_pages);
  const at::Tensor hidden = state.run(slices);
  std::vector<std::int64_t> last_rows;
  for (const Slice& slice : slices) {
    if (slice.wants_all())
      slice.sequence->read_prompt(*state.base, slice.begin, hidden.slice(0, slice.first_row, slice.end_row));
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
  stats.used_pages = state.held_pages();
  stats.kept_pages = state.pool->taken() - stats.used_pages;
  return stats;
}

}  // namespace quiver
