#include "tensor/jobs.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/test_support.h"

namespace quiver {
namespace {

TEST(RunJobs, RunsEveryJobOnce) {
  for (const std::size_t at_once : {0, 1, 2, 3, 20}) {
    std::vector<std::atomic<int>> runs(7);
    run_jobs(runs.size(), {.at_once = at_once}, [&](std::size_t i) { ++runs[i]; });
    for (const std::atomic<int>& count : runs) EXPECT_EQ(count, 1) << at_once;
  }
  run_jobs(0, {.at_once = 2}, [](std::size_t) { FAIL(); });
}

TEST(RunJobs, JobsRunTogetherAndShareTheThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(6);
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  run_jobs(3, {.at_once = 3}, [&](std::size_t) {
    EXPECT_EQ(at::get_num_threads(), 2);
    std::jthread([] {
      EXPECT_EQ(at::get_num_threads(), 6);
    }).join();  // who begins meanwhile has the process's
    std::unique_lock lock(mutex);
    ++running;
    changed.notify_all();
    // Ends only when all three are here at once.
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return running == 3; }));
  });
  EXPECT_EQ(at::get_num_threads(), 6);
  at::set_num_threads(threads);
}

TEST(RunJobs, TheCostliestStartFirstWhereSeveralRunAtOnce) {
  const std::vector<double> costs = {1, 3, 2, 4};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::size_t> started;
  run_jobs(costs, {.at_once = 2}, [&](std::size_t job) {
    std::unique_lock lock(mutex);
    started.push_back(job);
    changed.notify_all();
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return started.size() >= 2; }));
  });
  ASSERT_EQ(started.size(), costs.size());
  EXPECT_EQ(std::set(started.begin(), started.begin() + 2), (std::set<std::size_t>{1, 3}));

  started.clear();
  run_jobs(costs, {}, [&](std::size_t job) { started.push_back(job); });
  EXPECT_EQ(started, (std::vector<std::size_t>{0, 1, 2, 3}));
}

TEST(RunJobs, AFailureStopsWhatHasNotStartedAndIsThrown) {
  for (const std::size_t at_once : {1, 2}) {
    std::atomic<int> started = 0;
    EXPECT_THROW(run_jobs(100, {.at_once = at_once},
                          [&](std::size_t i) {
                            ++started;
                            if (i == 1) throw std::runtime_error("job 1");
                            std::this_thread::sleep_for(std::chrono::milliseconds(5));
                          }),
                 std::runtime_error);
    EXPECT_LT(started, 100) << at_once;
  }
}

}  // namespace
}  // namespace quiver
