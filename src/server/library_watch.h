#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "core/mutex.h"
#include "server/model_registry.h"

namespace quiver {

// A thread that lets a registry look at its library again and again. What goes wrong stands in the log and in
// ModelRegistry::problems().
class LibraryWatch {
 public:
  // Every `period`, where it is above 0, and soon after `is_asked` said so; it is called some times a second,
  // and may be empty.
  LibraryWatch(std::shared_ptr<ModelRegistry> models, std::chrono::milliseconds period,
               std::function<bool()> is_asked = {});
  ~LibraryWatch();
  LibraryWatch(const LibraryWatch&) = delete;
  LibraryWatch& operator=(const LibraryWatch&) = delete;

 private:
  void run();
  // Waits for a turn; whether there is another one.
  bool wait_turn() QUIVER_EXCLUDES(mutex_);
  void look() const;

  const std::shared_ptr<ModelRegistry> models_;
  const std::chrono::milliseconds period_;
  const std::function<bool()> is_asked_;

  Mutex mutex_;
  bool is_ending_ QUIVER_GUARDED_BY(mutex_) = false;
  Condition wake_;

  std::thread thread_;
};

}  // namespace quiver
