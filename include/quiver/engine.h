#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "quiver/decoding.h"

namespace quiver {

struct EngineOptions {
  DecodingOptions decoding{.max_sequences = 16, .prompt_tokens = 512, .cache_memory = std::int64_t{1} << 30};
  std::int64_t max_queue = 256;  // submissions that wait beside those being decoded
};

// A snapshot.
struct EngineStats {
  DecodingStats decoding;
  std::int64_t waiting = 0;
};

// A thread of its own that decodes what others submit: continuous batching (Yu et al. 2022, Orca, section 3)
// with prompts in slices. Any number of threads may use one object.
class Engine {
 public:
  // Called from the engine's thread, which waits for it: hand the event on. Must not throw, and must not call
  // the engine but for cancel().
  using Listener = std::function<void(SequenceEvent)>;

  struct Submission {
    SequenceRequest request;
    Listener listener;
    std::string client = {};  // clients take turns where there is a queue
    std::optional<std::chrono::steady_clock::time_point> deadline = {};
    std::function<void()> admitted = {};  // called as the listener is, when the wait in the queue is over
  };

  explicit Engine(std::shared_ptr<const BaseModel> base, const EngineOptions& options = {});
  // Cancels what there is and waits for the thread.
  ~Engine();

  // The listener hears of it until an event with `finish`, in this order. What `bind` throws is such an
  // event, kFailed. Throws Error: as DecodingBatch::check; kBusy where the queue is full, kUnavailable after
  // drain() was called.
  std::uint64_t submit(Submission submission);
  // Ends a submission, with an event kCancelled; nothing where it has ended.
  void cancel(std::uint64_t sequence);
  // Takes no more, and returns when everything has ended, or at `deadline` after the rest was cancelled.
  void drain(std::chrono::steady_clock::time_point deadline);

  EngineStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quiver
