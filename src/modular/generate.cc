#include <algorithm>
#include <chrono>
#include <map>

#include "modular/mttl_text.h"
#include "modular/prompt_ids.h"
#include "modular/stop_search.h"
#include "quiver/decoding.h"
#include "quiver/error.h"
#include "quiver/generation.h"

namespace quiver {
namespace {

// splitmix64 (Steele, Lea and Flood 2014). The first request draws with the seed itself.
std::uint64_t request_seed(std::uint64_t seed, std::size_t request) {
  std::uint64_t bits = 0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(request);
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9ull;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBull;
  return seed ^ bits ^ (bits >> 31);
}

SamplingOptions sampling_of(const GenerationOptions& options, std::size_t place) {
  return {.temperature = options.sampling_temperature,
          .top_p = options.top_p,
          .seed = request_seed(options.seed, place)};
}

void check(std::span<const GenerationRequest> requests, const GenerationOptions& options) {
  if (options.max_new_tokens < 1 || options.batch_size < 1 || options.max_input_length < 1) {
    throw Error(ErrorKind::kInvalidArgument,
                "max_new_tokens, batch_size and max_input_length must be at least 1");
  }
  for (const std::string& stop : options.stop) {
    if (stop.empty()) throw Error(ErrorKind::kInvalidArgument, "a stop text is empty");
  }
  const BaseModel& base = requests.front().model.base();
  validate(sampling_of(options, 0), base.shape().vocabulary);
  for (const GenerationRequest& request : requests) {
    if (&request.model.base() != &base) {
      throw Error(ErrorKind::kInvalidArgument, "the requests of one call must share their base model");
    }
  }
  if (options.max_new_tokens >= base.shape().max_positions) {
    throw Error(ErrorKind::kInvalidArgument,
                std::to_string(options.max_new_tokens) + " new tokens do not fit in the " +
                    std::to_string(base.shape().max_positions) + " positions of the model",
                "lower --max-new-tokens");
  }
}

// A request of the call on its way.
struct Running {
  std::size_t place;
  std::vector<std::int32_t> prompt;
  Generation result;
};

constexpr std::int64_t kPromptTokens = 4096;  // about as many tokens of prompts run in one step

SequenceRequest sequence_of(const GenerationRequest& request, std::size_t place,
                            const GenerationOptions& options, TextIds prompt) {
  return {.model = request.model,
          .prompt = std::move(prompt.ids),
          .task_name = request.task_name,
          .max_new_tokens = options.max_new_tokens,
          .sampling = sampling_of(options, place),
          .stop = options.stop,
          .ignore_stop_tokens = options.ignore_stop_tokens,
          .routing = options.record_routing ? RoutingRecord::kPrompt : RoutingRecord::kNone};
}

void take(Generation& result, SequenceEvent event) {
  result.text += event.text;
  for (const TokenRecord& token : event.tokens) result.ids.push_back(token.id);
  for (const double weight : event.expert_weights) result.expert_weights.push_back(weight);
  for (const std::int32_t expert : event.token_experts) result.token_experts.push_back(expert);
  result.error = std::move(event.error);
}

// The text as mttl cuts it out of prompt and continuation.
std::string mttl_text(const GenerationRequest& request, std::vector<std::int32_t> ids,
                      const Generation& result, std::span<const std::string> stops) {
  const Tokenizer& tokenizer = request.model.base().tokenizer();
  const std::size_t prompt = ids.size();
  ids.insert(ids.end(), result.ids.begin(), result.ids.end());
  StopPlace end{ids.size(), 0};
  StopSearch search(tokenizer, stops);
  for (const std::int32_t id : result.ids) {
    if (const std::optional<StopPlace> stop = search.add(id)) end = {prompt + stop->tokens, stop->dropped};
  }
  std::string whole = result.ids.empty() ? tokenizer.decode(ids, SpecialTokens::kSkip)
                                         : text_before_stop(tokenizer, ids, end);
  std::string text = mttl_continuation(request.prompt, std::move(whole), result.text);
  for (const std::string& stop : stops) text.resize(std::min(text.size(), text.find(stop)));
  return text;
}

class Call {
 public:
  Call(std::span<const GenerationRequest> requests, const GenerationOptions& options,
       const GenerationObserver& observer)
      : requests_(requests),
        options_(options),
        observer_(observer),
        results_(requests.size()),
        batch_(requests.front().model.shared_base(),
               {.max_sequences = options.batch_size, .prompt_tokens = kPromptTokens}) {}

  std::vector<Generation> run() {
    for (next_ = 0; next_ < requests_.size() || !batch_.is_empty();) {
      const auto start = std::chrono::steady_clock::now();
      std::int64_t prompt_tokens = 0;
      while (next_ < requests_.size() && batch_.has_room()) prompt_tokens += add(next_++);
      if (batch_.is_empty()) continue;
      const std::int64_t sequences = batch_.stats().sequences;
      std::vector<SequenceEvent> events = batch_.step();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      if (observer_.on_step) observer_.on_step({prompt_tokens, sequences, seconds.count()});
      for (SequenceEvent& event : events) tell(std::move(event));
    }
    return std::move(results_);
  }

 private:
  // The tokens of its prompt.
  std::int64_t add(std::size_t place) {
    const GenerationRequest& request = requests_[place];
    Generation result;
    try {
      const std::int64_t positions = request.model.base().shape().max_positions;
      const std::int64_t limit = std::min(options_.max_input_length, positions - options_.max_new_tokens);
      TextIds prompt = fit(prompt_ids(request.model, request.prompt), limit, options_.truncation);
      result.prompt_tokens = static_cast<std::int64_t>(prompt.ids.size());
      result.dropped_tokens = prompt.dropped;
      std::vector<std::int32_t> ids = prompt.ids;
      const std::uint64_t sequence = batch_.add(sequence_of(request, place, options_, std::move(prompt)));
      const std::int64_t tokens = result.prompt_tokens;
      running_.emplace(sequence, Running{place, std::move(ids), std::move(result)});
      return tokens;
    } catch (const Error& error) {
      finish(place, {.text = {}, .ids = {}, .error = error});
      return 0;
    }
  }

  void tell(SequenceEvent event) {
    Running& running = running_.at(event.sequence);
    const std::uint64_t sequence = event.sequence;
    const bool has_ended = event.finish.has_value();
    take(running.result, std::move(event));
    if (!has_ended) return;
    const GenerationRequest& request = requests_[running.place];
    if (request.model.router().compat == Compat::kMttl)
      running.result.text = mttl_text(request, std::move(running.prompt), running.result, options_.stop);
    finish(running.place, std::move(running.result));
    running_.erase(sequence);
  }

  void finish(std::size_t place, Generation result) {
    results_[place] = std::move(result);
    if (observer_.on_done) observer_.on_done(place, results_[place]);
  }

  std::span<const GenerationRequest> requests_;
  const GenerationOptions& options_;
  const GenerationObserver& observer_;
  std::vector<Generation> results_;
  DecodingBatch batch_;
  std::map<std::uint64_t, Running> running_;
  std::size_t next_ = 0;
};

}  // namespace

std::vector<Generation> generate(std::span<const GenerationRequest> requests,
                                 const GenerationOptions& options, const GenerationObserver& observer) {
  if (requests.empty()) return {};
  check(requests, options);
  return Call(requests, options, observer).run();
}

}  // namespace quiver
