#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace quiver {

struct JobOptions {
  std::size_t at_once = 1;
  int threads = 0;  // of ATen, for all of them together; 0: as many as the calling thread has
};

// Runs job(0) .. job(count - 1) in this order of starting, `at_once` at a time, each on a thread of its own
// with an equal share of ATen's threads. With `at_once` 1 they run one after another, on the calling thread
// where it has the wanted number. After an exception no further job starts; it is thrown again when the
// running ones have ended.
//
// ATen keeps a number for every thread, and one for the process, with which threads begin. No thread but the
// jobs' gets another; that of the process, which ATen can only set with a thread's, is the share for the
// moments in which the jobs' threads begin.
void run_jobs(std::size_t count, const JobOptions& options, const std::function<void(std::size_t)>& job);

// The same with a job for every cost, in any unit. With several at once the costliest start first, so that
// the threads end at about the same time (Graham 1969, section 3).
void run_jobs(std::span<const double> costs, const JobOptions& options,
              const std::function<void(std::size_t)>& job);

// How many trainings to run at once by default on this many threads (0: the calling thread's): a training
// alone leaves threads waiting in its serial parts, and each one running needs memory of its own.
std::size_t default_jobs_at_once(int threads = 0);

}  // namespace quiver
