#include "server/library_watch.h"

#include <algorithm>
#include <exception>

namespace quiver {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTurn(100);

}  // namespace

LibraryWatch::LibraryWatch(std::shared_ptr<ModelRegistry> models, std::chrono::milliseconds period,
                           std::function<bool()> is_asked)
    : models_(std::move(models)),
      period_(period),
      is_asked_(std::move(is_asked)),
      thread_([this] { run(); }) {}

LibraryWatch::~LibraryWatch() {
  {
    const MutexLock lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool LibraryWatch::wait_turn() {
  const bool has_period = period_.count() > 0;
  const Clock::time_point end = Clock::now() + (has_period ? std::min(kTurn, period_) : kTurn);
  const MutexLock lock(mutex_);
  while (!is_ending_) {
    if (!wake_.wait_until(mutex_, end)) break;
  }
  return !is_ending_;
}

void LibraryWatch::look() const {
  try {
    models_->reload();
  } catch (const std::exception&) {  // the registry has said why
  }
}

void LibraryWatch::run() {
  const bool has_period = period_.count() > 0;
  Clock::time_point next = Clock::now() + period_;
  while (wait_turn()) {
    const bool is_asked = is_asked_ && is_asked_();
    if (!is_asked && !(has_period && Clock::now() >= next)) continue;
    const Clock::time_point start = Clock::now();
    look();
    // Of a large library, looking takes a fiftieth of the time.
    const Clock::duration taken = Clock::now() - start;
    next = Clock::now() + std::max<Clock::duration>(period_, 50 * taken);
  }
}

}  // namespace quiver
