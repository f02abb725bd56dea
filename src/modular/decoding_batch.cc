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
  auto [ids, begin, dropped] = fitting_prompt(request, options_);
  Binding binding = request.model.bind(ids, request.task_name);
  const auto length = static_cast<std::int64_t>(ids.size());
  prompt_tokens_ += length;
  ranks_.try_emplace(binding.adapter, next_rank_++);
  active_.push_back({.place = place,
                     .request = &request,
                     .binding = std::move(binding),
                     .recorder = nullptr,
                     .ids = ids,
                     .pending = std::move(ids),
                     .cache = base_.make_cache(length + options_.max_new_tokens),
                     .stops = StopSearch(base_.tokenizer(), options_.stop),
                     .sampler = {},
                     .result = {.text = {}, .ids = {}, .prompt_tokens = length, .dropped_tokens = dropped},
                     .recorded = {}});
  if (options_.record_routing) record(active_.back());
  if (options_.sampling_temperature > 0) active_.back().sampler.emplace(options_, place);
}

void DecodingBatch::record(Sequence& sequence) const {
  const auto experts = static_cast<std::int64_t>(sequence.request->model.expert_names().size());
  if (experts == 0) return;
  const auto tokens = static_cast<std::int64_t>(sequence.pending.size());
  sequence.recorded = at::zeros({tokens, experts});
  const auto mixture = std::dynamic_pointer_cast<const MixtureAdapter>(sequence.binding.adapter);
  if (mixture) {
    sequence.recorder = std::make_shared<RecordingAdapter>(
        mixture, tokens, [sum = sequence.recorded](const LinearGroup&, const at::Tensor& weights) {
          sum.add_(weights.sum(1));
        });
  } else {
    sequence.recorded.add_(at::tensor(sequence.binding.expert_weights, at::kFloat));
  }
}

void DecodingBatch::keep_record(Sequence& sequence) {
  sequence.recorder = nullptr;
  if (!sequence.recorded.defined()) return;
  const at::Tensor sums = sequence.recorded;
  sequence.recorded = at::Tensor();
  const at::Tensor per_expert = sums.to(at::kDouble).sum(0).contiguous();
  const double all = per_expert.sum().item<double>();
  const double* own = per_expert.const_data_ptr<double>();
  for (std::int64_t e = 0; e < per_expert.size(0); ++e)
    sequence.result.expert_weights.push_back(all > 0 ? own[e] / all : 0);
  const auto [largest, expert] = sums.max(1);
  for (std::int64_t t = 0; t < sums.size(0); ++t) {
    const bool is_served = largest[t].item<float>() > 0;
    sequence.result.token_experts.push_back(
        is_served ? static_cast<std::int32_t>(expert[t].item<std::int64_t>()) : -1);
  }
}

at::Tensor DecodingBatch::run() {
  // Sequences with one adapter stand together, so that it runs once for all their rows.
  std::ranges::stable_sort(active_, {}, [&](const Sequence& one) { return ranks_.at(one.binding.adapter); });
  RaggedBatch batch;
  RowRangeAdapter adapter;
  std::vector<SequenceCache*> caches;
  std::vector<std::int64_t> last_rows;
  for (Sequence& sequence : active_) {
    batch.add(sequence.pending);
    adapter.add(batch.offsets[batch.offsets.size() - 2], batch.tokens(), sequence.adapter());
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
    keep_record(sequence);
    const at::Tensor row = logits[static_cast<std::int64_t>(i)];
    bool goes_on = false;
    if (!finite && !all_finite(row)) {
      sequence.result.error = not_finite_error(base_, sequence.ids, sequence.binding.adapter.get());
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
  std::erase_if(ranks_, [](const auto& entry) { return entry.first.use_count() == 1; });
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
