#include "server/generation_job.h"

#include <chrono>
#include <cmath>
#include <mutex>

#include "protocol/api_error.h"
#include "server/routing_json.h"
#include "server/token_bytes.h"

namespace quiver {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What fairness is between: who has a key is known by it, all others by their address.
std::string client_of(const HttpRequest& request) {
  if (const auto key = request.header("authorization")) return std::string(*key);
  return request.client.substr(0, request.client.rfind(':'));
}

std::vector<std::string> slot_paths(const RoutedModel& model) {
  std::vector<std::string> paths;
  for (const std::int64_t slot : model.adapted_slots())
    paths.push_back(model.base().slots()[static_cast<std::size_t>(slot)].path);
  return paths;
}

double entropy_bits(const std::vector<double>& weights) {
  double bits = 0;
  for (const double weight : weights) {
    if (weight > 0) bits -= weight * std::log2(weight);
  }
  return bits;
}

// Called by handlers, by the engine for every event, and by the server when the client leaves.
class GenerationJob : public std::enable_shared_from_this<GenerationJob> {
 public:
  GenerationJob(ServerContext& context, std::shared_ptr<HttpExchange> exchange, GenerationPlan plan)
      : context_(context),
        exchange_(std::move(exchange)),
        writer_(std::move(plan.writer)),
        stream_(plan.stream),
        routing_(plan.routing),
        token_bytes_(context.models->base()->tokenizer()) {
    for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
      Sequence sequence{.planned = std::move(plan.sequences[i])};
      sequence.whole.index = static_cast<std::int64_t>(i);
      if (sequence.planned.request.routing != RoutingRecord::kNone) {
        sequence.experts = sequence.planned.request.model.expert_names();
        if (routing_ == RoutingDetail::kSlots) sequence.slots = slot_paths(sequence.planned.request.model);
      }
      sequences_.push_back(std::move(sequence));
    }
  }

  void start();

 private:
  struct Sequence {
    PlannedSequence planned;
    std::vector<std::string> experts = {};  // of the model, where routing is wanted
    std::vector<std::string> slots = {};    // and its layers
    std::uint64_t id = 0;                   // the engine's
    ChoicePart whole = {};                  // so far, where the answer is no stream
    Usage usage = {};
    Clock::time_point last_token = {};
    enum class State { kNew, kBegun, kEnded } state = State::kNew;
  };

  bool is_stream() const { return stream_ != StreamMode::kWhole; }
  void submit_all();
  void open();
  void on_event(std::size_t place, SequenceEvent event);
  void on_gone();
  void cancel_all();
  // All under mutex_.
  void take_or_fail(Sequence& sequence, const SequenceEvent& event);
  void take(Sequence& sequence, const SequenceEvent& event);
  void measure(Sequence& sequence, const SequenceEvent& event);
  ChoicePart part_of(Sequence& sequence, const SequenceEvent& event) const;
  std::vector<ShownToken> shown_tokens(const Sequence& sequence, const SequenceEvent& event) const;
  void measure_routing(const Sequence& sequence, const SequenceEvent& event) const;
  void send(const std::vector<Json>& choices);
  void fail(const ApiError& error);
  void finish();
  Usage usage() const;
  void note(const std::string& finish_reason);

  ServerContext& context_;
  const std::shared_ptr<HttpExchange> exchange_;
  const std::unique_ptr<AnswerWriter> writer_;
  const StreamMode stream_;
  const RoutingDetail routing_;
  const TokenBytes token_bytes_;
  const Clock::time_point begin_ = Clock::now();

  std::mutex mutex_;  // guards the rest
  std::vector<Sequence> sequences_;
  std::vector<std::pair<std::size_t, SequenceEvent>> early_;  // before every sequence was submitted
  std::size_t ended_ = 0;                                     // sequences
  enum class State { kSubmitting, kOpen, kEnded } state_ = State::kSubmitting;
};

void GenerationJob::start() {
  try {
    submit_all();
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      state_ = State::kEnded;
    }
    cancel_all();
    throw;
  }
  exchange_->on_gone([weak = weak_from_this()] {
    if (const std::shared_ptr<GenerationJob> job = weak.lock()) job->on_gone();
  });
  open();
}

void GenerationJob::submit_all() {
  const std::string client = client_of(exchange_->request());
  for (std::size_t place = 0; place < sequences_.size(); ++place) {
    Engine::Submission submission{
        .request = std::move(sequences_[place].planned.request),
        .listener = [job = shared_from_this(),
                     place](SequenceEvent event) { job->on_event(place, std::move(event)); },
        .client = client};
    const std::uint64_t id = context_.engine.submit(std::move(submission));
    const std::lock_guard lock(mutex_);
    sequences_[place].id = id;
  }
}

void GenerationJob::open() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kEnded) return;
  const bool has_failed =
      std::ranges::any_of(early_, [](const auto& early) { return early.second.error.has_value(); });
  // After this a failure can change the status no more.
  if (is_stream() && !has_failed) {
    exchange_->begin_stream({.content_type = "text/event-stream; charset=utf-8",
                             .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}},
                            kPauseEvent);
  }
  state_ = has_failed ? State::kSubmitting : State::kOpen;
  for (const auto& [place, event] : early_) {
    if (state_ != State::kEnded && (!has_failed || event.error)) take_or_fail(sequences_[place], event);
  }
  early_.clear();
}

void GenerationJob::on_event(std::size_t place, SequenceEvent event) {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kSubmitting) {
    early_.emplace_back(place, std::move(event));
  } else if (state_ == State::kOpen) {
    take_or_fail(sequences_[place], event);
  }
}

// The engine's thread knows no exceptions of its listeners.
void GenerationJob::take_or_fail(Sequence& sequence, const SequenceEvent& event) {
  try {
    take(sequence, event);
  } catch (const Error& failure) {
    fail(api_error_of(failure));
  } catch (const std::exception& failure) {
    fail(ApiError(500, failure.what()));
  }
}

void GenerationJob::on_gone() {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kEnded) return;
    state_ = State::kEnded;
    note("abort");
    context_.metrics.add_done("abort", seconds_since(begin_));
  }
  cancel_all();
}

void GenerationJob::cancel_all() {
  for (const Sequence& sequence : sequences_) {
    if (sequence.id != 0 && sequence.state != Sequence::State::kEnded) context_.engine.cancel(sequence.id);
  }
}

void GenerationJob::take(Sequence& sequence, const SequenceEvent& event) {
  if (event.error) {
    fail(api_error_of(*event.error));
    return;
  }
  if (event.finish == FinishReason::kCancelled) {
    fail(ApiError(503, "the server gave the request up, it is about to stop"));
    return;
  }
  measure(sequence, event);
  measure_routing(sequence, event);
  ChoicePart part = part_of(sequence, event);
  sequence.state = Sequence::State::kBegun;
  sequence.whole.finish_reason = part.finish_reason;
  if (is_stream()) {
    if (!part.text.empty() || !part.tokens.empty() || part.finish_reason || !part.routing.is_null())
      send(writer_->chunks(part));
  } else {
    sequence.whole.text += part.text;
    sequence.whole.tokens.insert(sequence.whole.tokens.end(), part.tokens.begin(), part.tokens.end());
    append_routing(sequence.whole.routing, part.routing);
  }
  if (!event.finish || state_ == State::kEnded) return;
  sequence.state = Sequence::State::kEnded;
  context_.metrics.add_done(*part.finish_reason, seconds_since(begin_));
  if (++ended_ == sequences_.size()) finish();
}

void GenerationJob::measure(Sequence& sequence, const SequenceEvent& event) {
  RequestMetrics& metrics = context_.metrics;
  const std::int64_t fresh = event.new_tokens - sequence.usage.new_tokens;
  if (sequence.state == Sequence::State::kNew) metrics.add_prompt(event.prompt_tokens);
  const Clock::time_point now = Clock::now();
  if (fresh > 0 && sequence.usage.new_tokens == 0) {
    metrics.add_first_tokens(fresh, seconds_since(begin_));
  } else if (fresh > 0) {
    const double seconds = std::chrono::duration<double>(now - sequence.last_token).count();
    metrics.add_tokens(fresh, seconds / static_cast<double>(fresh));
  }
  if (fresh > 0) sequence.last_token = now;
  sequence.usage = {event.prompt_tokens, event.cached_tokens, event.new_tokens};
}

ChoicePart GenerationJob::part_of(Sequence& sequence, const SequenceEvent& event) const {
  ChoicePart part{.index = sequence.whole.index, .text = event.text};
  if (sequence.state == Sequence::State::kNew) part.text = sequence.planned.beginning + event.text;
  part.tokens = shown_tokens(sequence, event);
  if (event.finish) part.finish_reason = *event.finish == FinishReason::kStop ? "stop" : "length";
  part.routing = routing_json(event, sequence.experts, sequence.slots, routing_);
  return part;
}

std::vector<ShownToken> GenerationJob::shown_tokens(const Sequence&, const SequenceEvent& event) const {
  std::vector<ShownToken> tokens;
  const auto add = [&](const TokenRecord& record, bool has_logprob) {
    ShownToken token{.bytes = token_bytes_(record.id), .logprob = {}};
    if (has_logprob) token.logprob = record.logprob;
    for (const TokenLogprob& other : record.top)
      token.top.emplace_back(token_bytes_(other.id), other.logprob);
    tokens.push_back(std::move(token));
  };
  if (!writer_->has_logprobs()) return tokens;
  for (std::size_t i = 0; i < event.prompt.size(); ++i) add(event.prompt[i], i > 0);
  for (const TokenRecord& record : event.tokens) add(record, true);
  return tokens;
}

void GenerationJob::measure_routing(const Sequence& sequence, const SequenceEvent& event) const {
  for (const std::int32_t expert : event.token_experts) {
    if (expert >= 0)
      context_.metrics.add_expert_tokens(sequence.experts.at(static_cast<std::size_t>(expert)), 1);
  }
  if (!event.expert_weights.empty()) context_.metrics.add_router_entropy(entropy_bits(event.expert_weights));
}

void GenerationJob::send(const std::vector<Json>& choices) {
  for (const Json& choice : choices) {
    Json chunk = answer_json(writer_->chunk_head(), Json::array({choice}));
    if (stream_ == StreamMode::kPiecesAndUsage) chunk["usage"] = nullptr;
    if (exchange_->write(event_text(chunk))) continue;
    state_ = State::kEnded;  // the reader is gone, or too slow
    note("abort");
    cancel_all();
    return;
  }
}

void GenerationJob::fail(const ApiError& error) {
  const bool has_begun = state_ == State::kOpen && is_stream();
  state_ = State::kEnded;
  context_.metrics.add_done("error", seconds_since(begin_));
  note("error");
  if (has_begun) {
    exchange_->write(event_text(to_json(error)) + kLastEvent);
    exchange_->end_stream();
  } else {
    exchange_->respond(to_response(error));
  }
  cancel_all();
}

void GenerationJob::finish() {
  note(*sequences_.front().whole.finish_reason);
  if (is_stream()) {
    std::string last;
    if (stream_ == StreamMode::kPiecesAndUsage) {
      Json chunk = answer_json(writer_->chunk_head(), Json::array());
      chunk["usage"] = to_json(usage());
      last = event_text(chunk);
    }
    exchange_->write(last + kLastEvent);
    exchange_->end_stream();
    state_ = State::kEnded;
    return;
  }
  Json choices = Json::array();
  for (const Sequence& sequence : sequences_) choices.push_back(writer_->choice(sequence.whole));
  Json answer = answer_json(writer_->head(), std::move(choices));
  answer["usage"] = to_json(usage());
  exchange_->respond({.body = dump_json(answer)});
  state_ = State::kEnded;
}

Usage GenerationJob::usage() const {
  Usage sum;
  for (const Sequence& sequence : sequences_) {
    sum.new_tokens += sequence.usage.new_tokens;
    if (!sequence.planned.counts_prompt) continue;
    sum.prompt_tokens += sequence.usage.prompt_tokens;
    sum.cached_tokens += sequence.usage.cached_tokens;
  }
  return sum;
}

void GenerationJob::note(const std::string& finish_reason) {
  const Usage sum = usage();
  exchange_->note("prompt_tokens", std::to_string(sum.prompt_tokens));
  exchange_->note("cached_tokens", std::to_string(sum.cached_tokens));
  exchange_->note("new_tokens", std::to_string(sum.new_tokens));
  exchange_->note("finish", finish_reason);
}

}  // namespace

GenerationPlan new_plan(const GenerationFields& fields, std::unique_ptr<AnswerWriter> writer) {
  const bool by_slot = fields.routing == RoutingWanted::kSlots;
  return {.sequences = {},
          .writer = std::move(writer),
          .stream = fields.stream,
          .routing = by_slot ? RoutingDetail::kSlots : RoutingDetail::kTokens};
}

AnswerIdentity identity_of(const RoutedModel& model, const std::string& name, bool has_logprobs) {
  return {name, "quiver-" + model.base().fingerprint().substr(0, 12), has_logprobs};
}

void start_generation(ServerContext& context, std::shared_ptr<HttpExchange> exchange, GenerationPlan plan) {
  std::make_shared<GenerationJob>(context, std::move(exchange), std::move(plan))->start();
}

}  // namespace quiver
