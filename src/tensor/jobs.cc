#include "tensor/jobs.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

namespace quiver {

void run_jobs(std::size_t count, std::size_t at_once, const std::function<void(std::size_t)>& job) {
  const std::size_t workers = std::min(std::max<std::size_t>(1, at_once), count);
  if (workers <= 1) {
    for (std::size_t i = 0; i < count; ++i) job(i);
    return;
  }
  std::mutex mutex;
  std::size_t next = 0;
  std::exception_ptr failure;
  const int threads = at::get_num_threads();
  const int share = std::max(1, threads / static_cast<int>(workers));
  const auto work = [&] {
    at::set_num_threads(share);
    for (;;) {
      std::size_t mine = 0;
      {
        const std::lock_guard lock(mutex);
        if (failure || next == count) return;
        mine = next++;
      }
      try {
        job(mine);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  };
  std::vector<std::thread> pool;
  for (std::size_t i = 0; i < workers; ++i) pool.emplace_back(work);
  for (std::thread& thread : pool) thread.join();
  at::set_num_threads(threads);  // ATen keeps the number for new threads in one place for all
  if (failure) std::rethrow_exception(failure);
}

void run_jobs(std::span<const double> costs, std::size_t at_once,
              const std::function<void(std::size_t)>& job) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (at_once > 1) std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return costs[i]; });
  run_jobs(order.size(), at_once, [&](std::size_t position) { job(order[position]); });
}

std::size_t default_jobs_at_once() {
  constexpr std::size_t kMost = 8;
  return std::min(kMost, static_cast<std::size_t>(at::get_num_threads()));
}

}  // namespace quiver
