#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/mutex.h"
#include "quiver/routed_model.h"
#include "routing/expert_set.h"

namespace quiver {

// Experts laid out for one base and held in memory, as many as a bound allows. The one that was used longest
// ago leaves first; those stay that are pinned, or in use: part of a model that somebody holds. Thread-safe.
class ResidentExperts {
 public:
  // `bytes`: of factors at most; 0: no bound. `release` is called when room is needed: it gives up models
  // that nobody uses. It must not call back.
  ResidentExperts(std::shared_ptr<const BaseModel> base, std::int64_t bytes,
                  std::function<void()> release = {});

  // One in memory.
  struct Resident {
    std::shared_ptr<const BoundExpert> bound;
    RoutedModel alone;  // this expert for everything
  };
  // The expert under this key, read where it is not there: one at a time, while those that are there are
  // still given out. Keys of different versions of an expert must differ. Throws what `read` and laying it
  // out throw, ApiError 503 where those in use leave no room, 400 for an expert that is larger than the
  // bound.
  Resident get(const std::string& key, BeginOfText bos, const std::function<Expert()>& read)
      QUIVER_EXCLUDES(mutex_);

  void set_pinned(const std::string& key, bool is_pinned);
  // Drops one, whoever uses it: what they hold stays.
  void forget(const std::string& key);
  // Drops those whose key `is_wanted` does not know and nobody uses.
  void keep(const std::function<bool(const std::string&)>& is_wanted);

  std::int64_t bytes() const;
  std::size_t count() const;

 private:
  struct Entry {
    Resident resident;
    std::int64_t bytes = 0;
    std::uint64_t last_use = 0;
    bool is_pinned = false;
    long own_uses = 0;  // of the bound expert: ours
  };

  static bool is_in_use(const Entry& entry);
  std::optional<Resident> find(const std::string& key) QUIVER_EXCLUDES(mutex_);
  bool make_room(std::int64_t bytes) QUIVER_REQUIRES(mutex_);

  const std::shared_ptr<const BaseModel> base_;
  const std::int64_t limit_;
  const std::function<void()> release_;

  Mutex reading_;  // held while an expert is read

  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ QUIVER_GUARDED_BY(mutex_);
  std::int64_t bytes_ QUIVER_GUARDED_BY(mutex_) = 0;
  std::uint64_t uses_ QUIVER_GUARDED_BY(mutex_) = 0;
};

// Bytes of an expert's factors.
std::int64_t size_of(const BoundExpert& expert);

}  // namespace quiver
