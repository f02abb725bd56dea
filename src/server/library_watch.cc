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
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void LibraryWatch::run() {
  const bool has_period = period_.count() > 0;
  const std::chrono::milliseconds turn = has_period ? std::min(kTurn, period_) : kTurn;
  Clock::time_point next = Clock::now() + period_;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, turn, [this] { return is_ending_; })) {
    const bool is_asked = is_asked_ && is_asked_();
    if (!is_asked && !(has_period && Clock::now() >= next)) continue;
    lock.unlock();
    const Clock::time_point start = Clock::now();
    try {
      models_->reload();
    } catch (const std::exception&) {  // the registry has said why
    }
    // Of a large library, looking takes a fiftieth of the time.
    const Clock::duration taken = Clock::now() - start;
    next = Clock::now() + std::max<Clock::duration>(period_, 50 * taken);
    lock.lock();
  }
}

}  // namespace quiver
