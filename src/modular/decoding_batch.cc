#include "modular/decoding_batch.h"

#include <algorithm>

#include "model/first_not_finite.h"
#include "modular/adapters.h"
#include "modular/mttl_text.h"
#include "modular/prompt_ids.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

constexpr std::int64_t kPromptTokens = 4096;  // about as many tokens of prompts run in one step

TextIds fitting_prompt(const GenerationRequest& request, const GenerationOptions& options) {
  const std::int64_t positions = request.model.base().shape().max_positions;
  const std::int64_t limit = std::min(options.max_input_length, positions - options.max_new_tokens);
  return fit(prompt_ids(request.model, request.prompt), limit, options.truncation);
}

// Text of the new tokens, up to the stop text where one was found. `ids`: all tokens, the last `added` new.
std::string continuation(const GenerationRequest& request, std::span<const std::int32_t> ids,
                         std::size_t added, const std::optional<StopPlace>& stop,
                         std::span<const std::string> stops) {
  const Tokenizer& tokenizer = request.model.base().tokenizer();
  const StopPlace end = stop.value_or(StopPlace{added, 0});
  const std::span<const std::int32_t> own = ids.last(added);
  std::string text = added == 0 ? "" : text_before_stop(tokenizer, own, end);
  if (request.model.router().compat == Compat::kMttl) {
    const std::size_t prompt = ids.size() - added;
    std::string whole = added == 0 ? tokenizer.decode(ids, SpecialTokens::kSkip)
                                   : text_before_stop(tokenizer, ids, {prompt + end.tokens, end.dropped});
    text = mttl_continuation(request.prompt, std::move(whole), std::move(text));
  }
  // Left out special tokens may bring a stop text together.
  std::size_t cut = text.size();
  for (const std::string& one : stops) cut = std::min(cut, text.find(one));
  text.resize(cut);
  return text;
}

}  // namespace

bool DecodingBatch::has_room() const {
  return sequences() < options_.batch_size && prompt_tokens_ < kPromptTokens;
}

void DecodingBatch::add(std::size_t place, const GenerationRequest& request) {
  const LinearAdapter* adapter = request.model.adapter_for(request.task_name);
  auto [ids, begin, dropped] = fitting_prompt(request, options_);
  const auto length = static_cast<std::int64_t>(ids.size());
  prompt_tokens_ += length;
  ranks_.try_emplace(adapter, ranks_.size());
  active_.push_back({.place = place,
                     .request = &request,
                     .adapter = adapter,
                     .ids = ids,
                     .pending = std::move(ids),
                     .cache = base_.make_cache(length + options_.max_new_tokens),
                     .stops = StopSearch(base_.tokenizer(), options_.stop),
                     .sampler = {},
                     .result = {.text = {}, .ids = {}, .prompt_tokens = length, .dropped_tokens = dropped}});
  if (options_.sampling_temperature > 0) active_.back().sampler.emplace(options_, place);
}

at::Tensor DecodingBatch::run() {
  // Sequences with one adapter stand together, so that it runs once for all their rows.
  std::ranges::stable_sort(active_, {}, [&](const Sequence& one) { return ranks_.at(one.adapter); });
  RaggedBatch batch;
  RowRangeAdapter adapter;
  std::vector<SequenceCache*> caches;
  std::vector<std::int64_t> last_rows;
  for (Sequence& sequence : active_) {
    batch.add(sequence.pending);
    adapter.add(batch.offsets[batch.offsets.size() - 2], batch.tokens(), sequence.adapter);
    caches.push_back(&sequence.cache);
    last_rows.push_back(batch.tokens() - 1);
  }
  batch.rows = std::move(last_rows);
  prompt_tokens_ = 0;
  return base_.logits(base_.forward(batch, adapter.for_batch(batch.tokens()), caches));
}

std::vector<std::pair<std::size_t, Generation>> DecodingBatch::step() {
  const at::Tensor logits = run();
  const bool finite = all_finite(logits);
  const at::Tensor likeliest = logits.argmax(1).to(at::kCPU, at::kInt).contiguous();
  std::vector<Sequence> running;
  std::vector<std::pair<std::size_t, Generation>> ended;
  for (std::size_t i = 0; i < active_.size(); ++i) {
    Sequence& sequence = active_[i];
    const at::Tensor row = logits[static_cast<std::int64_t>(i)];
    bool goes_on = false;
    if (!finite && !all_finite(row)) {
      sequence.result.error = not_finite_error(base_, sequence.ids, sequence.adapter);
      end(sequence, std::nullopt);
    } else {
      goes_on = advance(sequence, sequence.sampler ? sequence.sampler->draw(row)
                                                   : likeliest.const_data_ptr<std::int32_t>()[i]);
    }
    if (goes_on) {
      running.push_back(std::move(sequence));
    } else {
      ended.emplace_back(sequence.place, std::move(sequence.result));
    }
  }
  active_ = std::move(running);
  return ended;
}

bool DecodingBatch::advance(Sequence& sequence, std::int32_t token) const {
  Generation& result = sequence.result;
  const std::vector<std::int32_t>& ends = base_.stop_ids();
  const bool ended = !options_.ignore_stop_tokens && std::find(ends.begin(), ends.end(), token) != ends.end();
  std::optional<StopPlace> stop;
  if (!ended) {
    result.ids.push_back(token);
    sequence.ids.push_back(token);
    stop = sequence.stops.add(token);
  }
  if (!ended && !stop && static_cast<std::int64_t>(result.ids.size()) < options_.max_new_tokens) {
    run_next(sequence, token);
    return true;
  }
  end(sequence, stop);
  return false;
}

void DecodingBatch::end(Sequence& sequence, const std::optional<StopPlace>& stop) const {
  sequence.result.text =
      continuation(*sequence.request, sequence.ids, sequence.result.ids.size(), stop, options_.stop);
}

// Gives the sequence its next token, to be run alone; or after all others, where the model's positions
// change.
void DecodingBatch::run_next(Sequence& sequence, std::int32_t token) const {
  sequence.pending = {token};
  if (sequence.cache.length() == base_.shape().cache_boundary) {
    sequence.pending = sequence.ids;
    sequence.cache = base_.make_cache(sequence.cache.capacity());
  }
}

}  // namespace quiver
