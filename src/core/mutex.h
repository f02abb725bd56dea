#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Locks that clang checks when it compiles (`make check-locks`): which mutex guards a member, which one a
// function needs or takes. GCC ignores all of it. See clang's "Thread Safety Analysis"; the names are its.
#if defined(__clang__)
#define QUIVER_LOCK_ATTRIBUTE(attribute) __attribute__((attribute))
#else
#define QUIVER_LOCK_ATTRIBUTE(attribute)
#endif

// Of members: touched only while the mutex is held.
#define QUIVER_GUARDED_BY(mutex) QUIVER_LOCK_ATTRIBUTE(guarded_by(mutex))
// Of functions: the caller holds the mutex, or must not hold it.
#define QUIVER_REQUIRES(...) QUIVER_LOCK_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define QUIVER_EXCLUDES(...) QUIVER_LOCK_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace quiver {

// std::mutex, which libstdc++ does not annotate.
class QUIVER_LOCK_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

 private:
  friend class MutexLock;
  friend class Condition;
  std::mutex mutex_;
};

class QUIVER_LOCK_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) QUIVER_LOCK_ATTRIBUTE(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  ~MutexLock() QUIVER_LOCK_ATTRIBUTE(release_capability()) = default;
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  const std::lock_guard<std::mutex> lock_;
};

// std::condition_variable. What is waited for stands in a loop around the call and not in a lambda, into
// which the analysis does not see: `while (!is_ready_) changed_.wait(mutex_);`.
class Condition {
 public:
  void notify_all() { condition_.notify_all(); }

  void wait(Mutex& mutex) QUIVER_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();  // stays the caller's
  }

  // False when the time has come.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point time) QUIVER_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const std::cv_status status = condition_.wait_until(lock, time);
    lock.release();
    return status == std::cv_status::no_timeout;
  }

 private:
  std::condition_variable condition_;
};

}  // namespace quiver
