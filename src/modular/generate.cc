#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "modular/adapters.h"
#include "modular/mttl_text.h"
#include "quiver/error.h"
#include "quiver/routed_model.h"

namespace quiver {
namespace {

constexpr std::int64_t kPromptTokens = 4096;  // about as many tokens of prompts run in one step

// One sequence being generated.
struct Active {
  std::size_t request;
  const LinearAdapter* adapter;
  std::vector<std::int32_t> ids;      // all tokens so far
  std::vector<std::int32_t> pending;  // tokens not yet run: the prompt, then one token a step
  SequenceCache cache;
};

class Sampler {
 public:
  explicit Sampler(const GenerationOptions& options)
      : options_(options), generator_(at::detail::createCPUGenerator(options.seed)) {}

  // logits (N, V) -> N ids.
  std::vector<std::int32_t> pick(const at::Tensor& logits) {
    at::Tensor chosen;
    if (options_.sampling_temperature <= 0) {
      chosen = logits.argmax(1);
    } else {
      at::Tensor probabilities = at::softmax(logits.to(at::kFloat) / options_.sampling_temperature, 1).cpu();
      if (options_.top_p < 1) probabilities = keep_nucleus(probabilities);
      chosen = at::multinomial(probabilities, 1, false, generator_).squeeze(1);
    }
    chosen = chosen.to(at::kCPU, at::kInt).contiguous();
    const std::int32_t* data = chosen.const_data_ptr<std::int32_t>();
    return {data, data + chosen.numel()};
  }

 private:
  // Nucleus sampling (Holtzman et al. 2020): the most likely tokens until their sum reaches top_p.
  at::Tensor keep_nucleus(const at::Tensor& probabilities) const {
    auto [sorted, order] = probabilities.sort(1, true);
    const at::Tensor before = sorted.cumsum(1) - sorted;
    sorted.masked_fill_(before >= options_.top_p, 0.0);
    return at::zeros_like(probabilities).scatter_(1, order, sorted);
  }

  const GenerationOptions& options_;
  at::Generator generator_;
};

// Without its one trailing space, which the answer would carry; a prompt that is too long loses its
// beginning.
std::vector<std::int32_t> prompt_ids(const GenerationRequest& request, const GenerationOptions& options) {
  std::string_view text = request.prompt;
  if (text.size() > 1 && text.back() == ' ') text.remove_suffix(1);
  const BaseModel& base = request.model->base();
  std::vector<std::int32_t> ids = base.tokenizer().encode(text).ids;
  if (ids.empty()) ids.push_back(base.eos_id());  // nothing to start from: begin a text, as after its end
  const std::int64_t limit =
      std::min(options.max_input_length, base.shape().max_positions - options.max_new_tokens);
  if (limit < 1) {
    throw Error(ErrorKind::kInvalidArgument,
                std::to_string(options.max_new_tokens) + " new tokens do not fit in the " +
                    std::to_string(base.shape().max_positions) + " positions of the model",
                "lower --max-new-tokens");
  }
  if (static_cast<std::int64_t>(ids.size()) > limit) ids.erase(ids.begin(), ids.end() - limit);
  return ids;
}

// Text of the new tokens, cut at the first stop text; `stopped` tells whether there was one. `ids`: all
// tokens, the last `added` of them new.
std::string decode(const GenerationRequest& request, std::span<const std::int32_t> ids, std::size_t added,
                   const std::vector<std::string>& stops, bool& stopped) {
  const Tokenizer& tokenizer = request.model->base().tokenizer();
  std::string text = tokenizer.decode(ids.last(added), SpecialTokens::kSkip);
  if (request.model->router().compat == Compat::kMttl)
    text = mttl_continuation(request.prompt, tokenizer.decode(ids, SpecialTokens::kSkip), text);
  std::size_t cut = std::string::npos;
  for (const std::string& stop : stops) cut = std::min(cut, text.find(stop));
  stopped = cut != std::string::npos;
  if (stopped) text.resize(cut);
  return text;
}

// Gives the sequence its next token, to be run alone; or after all others, where the model's positions
// change.
void run_next(Active& sequence, std::int32_t token, const BaseModel& base) {
  sequence.pending = {token};
  if (sequence.cache.length() == base.shape().cache_boundary) {
    sequence.pending = sequence.ids;
    sequence.cache = base.make_cache(sequence.cache.capacity());
  }
}

void check(std::span<const GenerationRequest> requests, const GenerationOptions& options) {
  if (options.max_new_tokens < 1 || options.batch_size < 1 || options.max_input_length < 1) {
    throw Error(ErrorKind::kInvalidArgument,
                "max_new_tokens, batch_size and max_input_length must be at least 1");
  }
  // Written so that NaN fails.
  if (!(options.top_p > 0 && options.top_p <= 1) || !(options.sampling_temperature >= 0) ||
      std::isinf(options.sampling_temperature)) {
    throw Error(ErrorKind::kInvalidArgument,
                "top_p must be in (0, 1] and the sampling temperature not negative");
  }
  for (const std::string& stop : options.stop) {
    if (stop.empty()) throw Error(ErrorKind::kInvalidArgument, "a stop text is empty");
  }
  for (const GenerationRequest& request : requests) {
    if (&request.model->base() != &requests.front().model->base()) {
      throw Error(ErrorKind::kInvalidArgument, "the requests of one call must share their base model");
    }
  }
}

}  // namespace

std::vector<Generation> generate(std::span<const GenerationRequest> requests,
                                 const GenerationOptions& options,
                                 const std::function<void(std::size_t, const Generation&)>& on_done) {
  const at::NoGradGuard no_gradients;
  std::vector<Generation> results(requests.size());
  if (requests.empty()) return results;
  check(requests, options);
  const BaseModel& base = requests.front().model->base();
  Sampler sampler(options);
  std::vector<Active> active;
  std::size_t next = 0;

  while (next < requests.size() || !active.empty()) {
    std::int64_t prompt_tokens = 0;
    while (next < requests.size() && static_cast<std::int64_t>(active.size()) < options.batch_size &&
           prompt_tokens < kPromptTokens) {
      const GenerationRequest& request = requests[next];
      const std::vector<std::int32_t> ids = prompt_ids(request, options);
      const auto length = static_cast<std::int64_t>(ids.size());
      results[next].prompt_tokens = length;
      prompt_tokens += length;
      active.push_back({next, request.model->adapter_for(request.task_name), ids, ids,
                        base.make_cache(length + options.max_new_tokens)});
      ++next;
    }
    // Sequences with one adapter stand together, so that it runs once for all their rows.
    std::stable_sort(active.begin(), active.end(),
                     [](const Active& left, const Active& right) { return left.adapter < right.adapter; });
    RaggedBatch batch;
    RowRangeAdapter adapter;
    std::vector<SequenceCache*> caches;
    std::vector<std::int64_t> last_rows;
    for (Active& sequence : active) {
      batch.add(sequence.pending);
      adapter.add(batch.offsets[batch.offsets.size() - 2], batch.tokens(), sequence.adapter);
      caches.push_back(&sequence.cache);
      last_rows.push_back(batch.tokens() - 1);
    }
    batch.rows = std::move(last_rows);
    const at::Tensor last = base.forward(batch, adapter.for_batch(batch.tokens()), caches);
    const std::vector<std::int32_t> chosen = sampler.pick(base.logits(last));

    std::vector<Active> running;
    for (std::size_t i = 0; i < active.size(); ++i) {
      Generation& result = results[active[i].request];
      const bool ended = !options.ignore_stop_tokens &&
                         std::count(base.stop_ids().begin(), base.stop_ids().end(), chosen[i]) > 0;
      if (!ended) {
        result.ids.push_back(chosen[i]);
        active[i].ids.push_back(chosen[i]);
      }
      bool stopped = false;
      const bool full = static_cast<std::int64_t>(result.ids.size()) >= options.max_new_tokens;
      if (ended || full || !options.stop.empty())
        result.text =
            decode(requests[active[i].request], active[i].ids, result.ids.size(), options.stop, stopped);
      if (ended || full || stopped) {
        if (on_done) on_done(active[i].request, result);
      } else {
        run_next(active[i], chosen[i], base);
        running.push_back(std::move(active[i]));
      }
    }
    active = std::move(running);
  }
  return results;
}

}  // namespace quiver
