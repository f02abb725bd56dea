#include "server/generation_job.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cmath>

#include "protocol/api_error.h"
#include "server/token_bytes.h"

namespace quiver {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
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

// On the context's writer, one call after the other, but for what says otherwise.
class GenerationJob : public std::enable_shared_from_this<GenerationJob> {
 public:
  GenerationJob(ServerContext& context, std::shared_ptr<HttpExchange> exchange, GenerationPlan plan)
      : context_(context),
        exchange_(std::move(exchange)),
        writer_(std::move(plan.writer)),
        stream_(plan.stream),
        routing_(plan.routing),
        adapters_(std::move(plan.adapters)),
        arrived_(exchange_->request().arrived),
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

  void start();  // a handler's thread

 private:
  using Id = std::uint64_t;  // the engine's
  struct Sequence {
    PlannedSequence planned;
    std::vector<std::string> experts = {};  // of the model, where routing is wanted
    std::vector<std::string> slots = {};    // and its layers
    bool is_named = false;                  // the client knows both
    Id id = 0;
    ChoicePart whole = {};  // so far, where the answer is no stream
    std::int64_t new_tokens = 0;
    Clock::time_point last_token = {};
    enum class State { kNew, kBegun, kEnded } state = State::kNew;
  };
  struct Event {
    std::size_t place;  // of the sequence
    SequenceEvent event;
    Clock::time_point time;
  };

  static bool is_failure(const Event& event);
  bool is_stream() const { return stream_ != StreamMode::kWhole; }
  void post(std::function<void()> call) { boost::asio::post(context_.writer, std::move(call)); }
  std::vector<Id> submit_all();  // a handler's thread
  Id submit(std::size_t place);
  void open(const std::vector<Id>& ids);
  void on_event(Event event);
  void give_up();
  void cancel_all();
  void take_or_fail(const Event& event);
  void take(Sequence& sequence, const Event& event);
  void measure(Sequence& sequence, const Event& event);
  void end(Sequence& sequence, const std::string& reason);
  void end_all(const std::string& reason);
  ChoicePart part_of(Sequence& sequence, const SequenceEvent& event) const;
  Json routing_of(Sequence& sequence, const SequenceEvent& event) const;
  std::vector<ShownToken> shown_tokens(const SequenceEvent& event) const;
  void measure_routing(const Sequence& sequence, const SequenceEvent& event) const;
  void send(const std::vector<Json>& choices);
  void fail(const ApiError& error);
  void finish();
  Usage usage() const;
  void note(const std::string& finish_reason);  // any thread

  ServerContext& context_;
  const std::shared_ptr<HttpExchange> exchange_;
  const std::unique_ptr<AnswerWriter> writer_;
  const StreamMode stream_;
  const RoutingDetail routing_;
  const std::vector<std::string> adapters_;
  const Clock::time_point arrived_;
  const TokenBytes token_bytes_;

  std::vector<Sequence> sequences_;
  std::vector<Event> early_;  // before every sequence was submitted
  std::size_t ended_ = 0;     // sequences
  enum class State { kSubmitting, kOpen, kEnded } state_ = State::kSubmitting;

  // For note().
  std::atomic<std::int64_t> prompt_tokens_ = 0, cached_tokens_ = 0, new_tokens_ = 0;
  std::atomic<bool> is_noted_ = false;
};

void GenerationJob::start() {
  const std::vector<Id> ids = submit_all();
  post([job = shared_from_this(), ids] { job->open(ids); });
  exchange_->on_gone([weak = weak_from_this()] {
    const std::shared_ptr<GenerationJob> job = weak.lock();
    if (!job) return;
    job->note("abort");  // now: the request's line is about to be logged
    job->post([job] { job->give_up(); });
  });
}

std::vector<GenerationJob::Id> GenerationJob::submit_all() {
  std::vector<Id> ids;
  try {
    for (std::size_t place = 0; place < sequences_.size(); ++place) ids.push_back(submit(place));
  } catch (...) {
    for (const Id id : ids) context_.engine.cancel(id);
    throw;
  }
  return ids;
}

GenerationJob::Id GenerationJob::submit(std::size_t place) {
  const auto turn = std::make_shared<AdapterUse::Turn>(context_.adapters, adapters_);
  Engine::Submission submission{
      .request = std::move(sequences_[place].planned.request),
      .listener =
          [job = shared_from_this(), place, turn](SequenceEvent event) {
            job->post([job, piece = Event{place, std::move(event), Clock::now()}]() mutable {
              job->on_event(std::move(piece));
            });
          },
      .client = client_of(exchange_->request(), context_.has_keys),
      .deadline = deadline_of(context_, exchange_->request()),
      .admitted =
          [&metrics = context_.metrics, turn, arrived = arrived_] {
            turn->begin();
            metrics.add_queue_time(seconds_between(arrived, Clock::now()));
          }};
  return context_.engine.submit(std::move(submission));
}

bool GenerationJob::is_failure(const Event& event) {
  return event.event.error || event.event.finish == FinishReason::kCancelled;
}

void GenerationJob::open(const std::vector<Id>& ids) {
  for (std::size_t place = 0; place < ids.size(); ++place) sequences_[place].id = ids[place];
  const bool has_failed = std::ranges::any_of(early_, is_failure);
  // After this a failure can change the status no more.
  if (is_stream() && !has_failed) {
    exchange_->begin_stream({.content_type = "text/event-stream; charset=utf-8",
                             .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}},
                            kPauseEvent);
  }
  state_ = has_failed ? State::kSubmitting : State::kOpen;
  for (const Event& early : early_) {
    if (state_ != State::kEnded && (!has_failed || is_failure(early))) take_or_fail(early);
  }
  early_.clear();
}

void GenerationJob::on_event(Event event) {
  if (state_ == State::kSubmitting) {
    early_.push_back(std::move(event));
  } else if (state_ == State::kOpen) {
    take_or_fail(event);
  }
}

// The writer knows no exceptions.
void GenerationJob::take_or_fail(const Event& event) {
  try {
    take(sequences_[event.place], event);
  } catch (const Error& failure) {
    fail(api_error_of(failure));
  } catch (const std::exception& failure) {
    fail(ApiError(500, failure.what()));
  }
}

// The client is gone.
void GenerationJob::give_up() {
  if (state_ == State::kEnded) return;
  end_all("abort");
  cancel_all();
}

void GenerationJob::cancel_all() {
  for (const Sequence& sequence : sequences_) {
    if (sequence.id != 0) context_.engine.cancel(sequence.id);
  }
}

void GenerationJob::take(Sequence& sequence, const Event& event) {
  const SequenceEvent& news = event.event;
  if (news.finish == FinishReason::kCancelled) {
    fail(news.error ? timeout_error(context_)
                    : ApiError(503, "the server gave the request up, it is about to stop"));
    return;
  }
  if (news.error) {
    fail(api_error_of(*news.error));
    return;
  }
  measure(sequence, event);
  measure_routing(sequence, news);
  ChoicePart part = part_of(sequence, news);
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
  if (!news.finish || state_ == State::kEnded) return;
  end(sequence, *part.finish_reason);
  if (++ended_ == sequences_.size()) finish();
}

void GenerationJob::end(Sequence& sequence, const std::string& reason) {
  if (sequence.state == Sequence::State::kEnded) return;
  sequence.state = Sequence::State::kEnded;
  context_.metrics.add_done(reason, seconds_between(arrived_, Clock::now()));
}

// Of those that have not ended yet.
void GenerationJob::end_all(const std::string& reason) {
  state_ = State::kEnded;
  note(reason);
  for (Sequence& sequence : sequences_) end(sequence, reason);
}

void GenerationJob::measure(Sequence& sequence, const Event& event) {
  RequestMetrics& metrics = context_.metrics;
  const SequenceEvent& news = event.event;
  const std::int64_t fresh = news.new_tokens - sequence.new_tokens;
  if (sequence.state == Sequence::State::kNew) {
    metrics.add_prompt(news.prompt_tokens);
    if (sequence.planned.counts_prompt) {
      prompt_tokens_ += news.prompt_tokens;
      cached_tokens_ += news.cached_tokens;
    }
  }
  if (fresh > 0 && sequence.new_tokens == 0) {
    metrics.add_first_tokens(fresh, seconds_between(arrived_, event.time));
  } else if (fresh > 0) {
    metrics.add_tokens(fresh, seconds_between(sequence.last_token, event.time) / static_cast<double>(fresh));
  }
  if (fresh > 0) sequence.last_token = event.time;
  new_tokens_ += fresh;
  sequence.new_tokens = news.new_tokens;
}

ChoicePart GenerationJob::part_of(Sequence& sequence, const SequenceEvent& event) const {
  ChoicePart part{.index = sequence.whole.index, .text = event.text};
  if (sequence.state == Sequence::State::kNew) part.text = sequence.planned.beginning + event.text;
  part.tokens = shown_tokens(event);
  if (event.finish) part.finish_reason = *event.finish == FinishReason::kStop ? "stop" : "length";
  part.routing = routing_of(sequence, event);
  return part;
}

// Names come with the first piece alone.
Json GenerationJob::routing_of(Sequence& sequence, const SequenceEvent& event) const {
  Json routing = routing_json(event, routing_);
  if (routing.is_null() || sequence.is_named) return routing;
  routing["experts"] = sequence.experts;
  if (routing_ == RoutingDetail::kSlots) routing["slots"] = sequence.slots;
  sequence.is_named = true;
  return routing;
}

std::vector<ShownToken> GenerationJob::shown_tokens(const SequenceEvent& event) const {
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
  if (event.stop_token && writer_->shows_stop_token()) add(*event.stop_token, true);
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
    end_all("abort");  // the reader is gone, or too slow
    cancel_all();
    return;
  }
}

void GenerationJob::fail(const ApiError& error) {
  const bool has_begun = state_ == State::kOpen && is_stream();
  end_all("error");
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

Usage GenerationJob::usage() const { return {prompt_tokens_, cached_tokens_, new_tokens_}; }

void GenerationJob::note(const std::string& finish_reason) {
  if (is_noted_.exchange(true)) return;
  exchange_->note("prompt_tokens", std::to_string(prompt_tokens_));
  exchange_->note("cached_tokens", std::to_string(cached_tokens_));
  exchange_->note("new_tokens", std::to_string(new_tokens_));
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
