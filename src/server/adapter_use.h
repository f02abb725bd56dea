#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/mutex.h"

namespace quiver {

// Which adapters requests wait for and run with. Thread-safe.
class AdapterUse {
 public:
  // One sequence, from its submission to its end. Holds no adapter: one of no names counts as nothing.
  class Turn {
   public:
    Turn(AdapterUse& use, std::vector<std::string> adapters);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    void begin();  // it waits no more

   private:
    AdapterUse& use_;
    const std::vector<std::string> adapters_;
    bool is_running_ = false;
  };

  // Names with a comma between them, sorted.
  std::string waiting() const;
  std::string running() const;

 private:
  using Counts = std::map<std::string, int>;
  static void drop(Counts& counts, const std::string& adapter);
  static std::string list(const Counts& counts);

  mutable Mutex mutex_;
  Counts waiting_ QUIVER_GUARDED_BY(mutex_);
  Counts running_ QUIVER_GUARDED_BY(mutex_);
};

}  // namespace quiver
