#include "quiver/engine.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "core/mutex.h"
#include "quiver/error.h"

namespace quiver {
namespace {

using Clock = std::chrono::steady_clock;

struct Waiting {
  std::uint64_t id;
  Engine::Submission submission;
};

// What waits, by client: the client that was served longest ago comes first.
class FairQueue {
 public:
  std::size_t size() const { return size_; }

  void push(Waiting waiting) {
    std::deque<Waiting>& own = clients_[waiting.submission.client];
    if (own.empty()) turns_.push_back(waiting.submission.client);
    own.push_back(std::move(waiting));
    ++size_;
  }

  const Waiting& front() const { return clients_.at(turns_.front()).front(); }

  Waiting pop() {
    const std::string client = turns_.front();
    turns_.pop_front();
    std::deque<Waiting>& own = clients_.at(client);
    Waiting waiting = std::move(own.front());
    own.pop_front();
    --size_;
    if (own.empty()) {
      clients_.erase(client);
    } else {
      turns_.push_back(client);
    }
    return waiting;
  }

  // Takes out those for which `leaves(waiting)`.
  template <typename Predicate>
  std::vector<Waiting> remove(const Predicate& leaves) {
    std::vector<Waiting> left;
    for (auto client = clients_.begin(); client != clients_.end();) {
      std::deque<Waiting>& own = client->second;
      for (auto one = own.begin(); one != own.end();) {
        if (!leaves(*one)) {
          ++one;
          continue;
        }
        left.push_back(std::move(*one));
        one = own.erase(one);
        --size_;
      }
      if (own.empty()) std::erase(turns_, client->first);
      client = own.empty() ? clients_.erase(client) : std::next(client);
    }
    return left;
  }

 private:
  std::map<std::string, std::deque<Waiting>> clients_;
  std::deque<std::string> turns_;
  std::size_t size_ = 0;
};

SequenceEvent cancelled(std::uint64_t id, std::optional<Error> error = {}) {
  return {.sequence = id, .finish = FinishReason::kCancelled, .error = std::move(error)};
}

Error deadline_error() { return Error(ErrorKind::kInterrupted, "the request ran into its deadline"); }

}  // namespace

struct Engine::State {
  explicit State(std::shared_ptr<const BaseModel> base, const EngineOptions& given)
      : options(given), batch(std::move(base), given.decoding) {}

  const EngineOptions options;

  mutable Mutex mutex;
  FairQueue queue QUIVER_GUARDED_BY(mutex);
  std::set<std::uint64_t> cancelled_ids QUIVER_GUARDED_BY(mutex);
  std::uint64_t next_id QUIVER_GUARDED_BY(mutex) = 1;
  std::int64_t unfinished QUIVER_GUARDED_BY(mutex) = 0;  // submissions whose last event has not been told
  DecodingStats decoding QUIVER_GUARDED_BY(mutex);
  bool draining QUIVER_GUARDED_BY(mutex) = false;
  bool stopping QUIVER_GUARDED_BY(mutex) = false;
  Condition changed;  // something to do, or something done

  // The engine's thread alone.
  struct Running {
    std::uint64_t id;
    Listener listener;
    std::optional<Clock::time_point> deadline;
  };
  DecodingBatch batch;
  std::map<std::uint64_t, Running> running;  // by the batch's name

  std::thread thread;

  void loop();
  bool wait_for_work() QUIVER_EXCLUDES(mutex);  // false: stop
  void drop_cancelled() QUIVER_EXCLUDES(mutex);
  void admit() QUIVER_EXCLUDES(mutex);
  void start(Waiting waiting);
  void step();
  void fail_all(const Error& error);
  void end(const Listener& listener, SequenceEvent event) QUIVER_EXCLUDES(mutex);
};

// Tells the last event.
void Engine::State::end(const Listener& listener, SequenceEvent event) {
  listener(std::move(event));
  const MutexLock lock(mutex);
  --unfinished;
  changed.notify_all();
}

bool Engine::State::wait_for_work() {
  const MutexLock lock(mutex);
  decoding = batch.stats();
  while (!stopping && queue.size() == 0 && running.empty()) changed.wait(mutex);
  return !stopping;
}

// Lets go of what was cancelled and of what is late.
void Engine::State::drop_cancelled() {
  const Clock::time_point now = Clock::now();
  std::set<std::uint64_t> ids;
  std::vector<Waiting> dropped;
  {
    const MutexLock lock(mutex);
    ids.swap(cancelled_ids);
    const bool drops_all = stopping;
    dropped = queue.remove([&](const Waiting& one) {
      return drops_all || ids.contains(one.id) ||
             (one.submission.deadline && *one.submission.deadline <= now);
    });
    if (drops_all) {
      for (const auto& [name, one] : running) ids.insert(one.id);
    }
  }
  for (const Waiting& one : dropped) {
    const bool is_late = !ids.contains(one.id) && one.submission.deadline && *one.submission.deadline <= now;
    end(one.submission.listener, cancelled(one.id, is_late ? std::optional(deadline_error()) : std::nullopt));
  }
  for (auto one = running.begin(); one != running.end();) {
    const bool is_cancelled = ids.contains(one->second.id);
    const bool is_late = one->second.deadline && *one->second.deadline <= now;
    if (!is_cancelled && !is_late) {
      ++one;
      continue;
    }
    batch.cancel(one->first);
    end(one->second.listener,
        cancelled(one->second.id, is_cancelled ? std::nullopt : std::optional(deadline_error())));
    one = running.erase(one);
  }
}

void Engine::State::admit() {
  while (batch.has_room()) {
    std::optional<Waiting> next;
    {
      const MutexLock lock(mutex);
      if (queue.size() == 0 || !batch.has_memory_for(queue.front().submission.request)) return;
      next = queue.pop();
    }
    start(std::move(*next));
  }
}

void Engine::State::start(Waiting waiting) {
  Submission& submission = waiting.submission;
  const auto fail = [&](const Error& error) {
    end(submission.listener, {.sequence = waiting.id, .finish = FinishReason::kFailed, .error = error});
  };
  if (submission.admitted) submission.admitted();
  try {
    const std::uint64_t name = batch.add(std::move(submission.request));
    running.emplace(name, Running{waiting.id, submission.listener, submission.deadline});
  } catch (const Error& error) {
    fail(error);
  } catch (const std::exception& error) {
    fail(Error(ErrorKind::kIo, std::string("the request could not be begun: ") + error.what()));
  }
}

void Engine::State::step() {
  std::vector<SequenceEvent> events = batch.step();
  {
    const MutexLock lock(mutex);
    decoding = batch.stats();  // who is told of an end does not find the sequence running
  }
  for (SequenceEvent& event : events) {
    const auto found = running.find(event.sequence);
    if (found == running.end()) continue;
    event.sequence = found->second.id;
    if (!event.finish) {
      found->second.listener(std::move(event));
      continue;
    }
    end(found->second.listener, std::move(event));
    running.erase(found);
  }
}

void Engine::State::fail_all(const Error& error) {
  for (const auto& [name, one] : running) {
    batch.cancel(name);
    end(one.listener, {.sequence = one.id, .finish = FinishReason::kFailed, .error = error});
  }
  running.clear();
}

void Engine::State::loop() {
  while (wait_for_work()) {
    drop_cancelled();
    try {
      admit();
      if (!batch.is_empty()) step();
    } catch (const Error& error) {
      fail_all(error);
    } catch (const std::exception& error) {
      // Memory that ran out, most likely: the sequences are lost, the engine goes on.
      fail_all(Error(ErrorKind::kIo, std::string("a decoding step failed: ") + error.what()));
    }
  }
  drop_cancelled();
}

Engine::Engine(std::shared_ptr<const BaseModel> base, const EngineOptions& options)
    : state_(std::make_unique<State>(std::move(base), options)) {
  if (options.max_queue < 0) {
    throw Error(ErrorKind::kInvalidArgument,
                "max_queue is " + std::to_string(options.max_queue) + ", it must be 0 or more");
  }
  state_->thread = std::thread([state = state_.get()] { state->loop(); });
}

Engine::~Engine() {
  {
    const MutexLock lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
  }
  state_->thread.join();
}

std::uint64_t Engine::submit(Submission submission) {
  State& state = *state_;
  state.batch.check(submission.request);
  const MutexLock lock(state.mutex);
  if (state.draining || state.stopping)
    throw Error(ErrorKind::kUnavailable, "the engine takes no more requests: it is being stopped");
  if (state.unfinished >= state.options.decoding.max_sequences + state.options.max_queue) {
    throw Error(ErrorKind::kBusy, std::to_string(state.queue.size()) + " requests wait already",
                "try again later, or raise the queue's bound");
  }
  const std::uint64_t id = state.next_id++;
  state.queue.push({id, std::move(submission)});
  ++state.unfinished;
  state.changed.notify_all();
  return id;
}

void Engine::cancel(std::uint64_t sequence) {
  const MutexLock lock(state_->mutex);
  state_->cancelled_ids.insert(sequence);
  state_->changed.notify_all();
}

void Engine::drain(std::chrono::steady_clock::time_point deadline) {
  State& state = *state_;
  const MutexLock lock(state.mutex);
  state.draining = true;
  bool is_in_time = true;
  while (state.unfinished > 0 && is_in_time) is_in_time = state.changed.wait_until(state.mutex, deadline);
  if (state.unfinished == 0) return;
  state.stopping = true;  // what is left gets its event kCancelled
  state.changed.notify_all();
  while (state.unfinished > 0) state.changed.wait(state.mutex);
}

EngineStats Engine::stats() const {
  const MutexLock lock(state_->mutex);
  return {.decoding = state_->decoding, .waiting = static_cast<std::int64_t>(state_->queue.size())};
}

}  // namespace quiver
