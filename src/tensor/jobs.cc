#include "tensor/jobs.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <future>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "core/mutex.h"

namespace quiver {
namespace {

class JobQueue {
 public:
  explicit JobQueue(std::size_t count) : count_(count) {}

  // The next one; none where all have started or one has failed.
  std::optional<std::size_t> next() QUIVER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (failure_ || next_ == count_) return std::nullopt;
    return next_++;
  }

  void fail(std::exception_ptr failure) QUIVER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
  }

  void rethrow_failure() QUIVER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  const std::size_t count_;

  Mutex mutex_;
  std::size_t next_ QUIVER_GUARDED_BY(mutex_) = 0;
  std::exception_ptr failure_ QUIVER_GUARDED_BY(mutex_);
};

// ATen's number for threads that begin, without touching that of this one.
int process_threads() {
  int threads = 0;
  std::jthread([&] { threads = at::get_num_threads(); }).join();
  return threads;
}

void set_process_threads(int threads) {
  std::jthread([&] { at::set_num_threads(threads); }).join();
}

// A thread takes the process's number when it first asks for its own or runs a parallel loop, whatever it was
// given before. LibTorch remembers by itself whether that was, and so does what is compiled here: the first
// call is for it.
void take_process_threads() {
  at::get_num_threads();
  at::parallel_for(0, 1, 1, [](std::int64_t, std::int64_t) {});
}

// Threads that have `threads` of ATen's each and then do `work`.
std::vector<std::jthread> start_workers(std::size_t workers, int threads, const std::function<void()>& work) {
  static Mutex one_at_a_time;  // the process has one number
  const MutexLock lock(one_at_a_time);
  const int process = process_threads();
  std::vector<std::jthread> pool;
  std::promise<void> all_have_begun;
  const std::shared_future<void> begin = all_have_begun.get_future().share();
  for (std::size_t i = 0; i < workers; ++i) {
    std::promise<void> has_threads;
    const std::future<void> ready = has_threads.get_future();
    pool.emplace_back([&work, threads, has_threads = std::move(has_threads), begin]() mutable {
      take_process_threads();
      at::set_num_threads(threads);
      has_threads.set_value();
      begin.wait();
      work();
    });
    ready.wait();
  }
  set_process_threads(process);
  all_have_begun.set_value();
  return pool;
}

}  // namespace

void run_jobs(std::size_t count, const JobOptions& options, const std::function<void(std::size_t)>& job) {
  const std::size_t workers = std::clamp<std::size_t>(options.at_once, 1, std::max<std::size_t>(1, count));
  const int threads = options.threads > 0 ? options.threads : at::get_num_threads();
  if (workers == 1 && threads == at::get_num_threads()) {
    for (std::size_t i = 0; i < count; ++i) job(i);
    return;
  }
  JobQueue queue(count);
  const std::function<void()> work = [&] {
    while (const std::optional<std::size_t> mine = queue.next()) {
      try {
        job(*mine);
      } catch (...) {
        queue.fail(std::current_exception());
      }
    }
  };
  const int share = std::max(1, threads / static_cast<int>(workers));
  start_workers(workers, share, work).clear();  // joins them
  queue.rethrow_failure();
}

void run_jobs(std::span<const double> costs, const JobOptions& options,
              const std::function<void(std::size_t)>& job) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (options.at_once > 1)
    std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return costs[i]; });
  run_jobs(order.size(), options, [&](std::size_t position) { job(order[position]); });
}

std::size_t default_jobs_at_once(int threads) {
  constexpr std::size_t kMost = 8;
  return std::min(kMost, static_cast<std::size_t>(threads > 0 ? threads : at::get_num_threads()));
}

}  // namespace quiver
