#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace quiver {

// Runs job(0) .. job(count - 1) in this order of starting, `at_once` at a time, each on a thread of its own
// that has an equal share of ATen's threads. With `at_once` 1 they run one after another on the calling
// thread. After an exception no further job starts; it is thrown again when the running ones have ended.
void run_jobs(std::size_t count, std::size_t at_once, const std::function<void(std::size_t)>& job);

// The same with a job for every cost, in any unit. With several at once the costliest start first, so that
// the threads end at about the same time (Graham 1969, section 3).
void run_jobs(std::span<const double> costs, std::size_t at_once,
              const std::function<void(std::size_t)>& job);

// How many trainings to run at once by default: a training alone leaves threads waiting in its serial parts,
// and each one running needs memory of its own.
std::size_t default_jobs_at_once();

}  // namespace quiver
