#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

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

  const std::shared_ptr<ModelRegistry> models_;
  const std::chrono::milliseconds period_;
  const std::function<bool()> is_asked_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_ending_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace quiver
