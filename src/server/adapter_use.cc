#include "server/adapter_use.h"

namespace quiver {

AdapterUse::Turn::Turn(AdapterUse& use, std::vector<std::string> adapters)
    : use_(use), adapters_(std::move(adapters)) {
  const MutexLock lock(use_.mutex_);
  for (const std::string& adapter : adapters_) ++use_.waiting_[adapter];
}

AdapterUse::Turn::~Turn() {
  const MutexLock lock(use_.mutex_);
  for (const std::string& adapter : adapters_) drop(is_running_ ? use_.running_ : use_.waiting_, adapter);
}

void AdapterUse::Turn::begin() {
  const MutexLock lock(use_.mutex_);
  if (is_running_) return;
  is_running_ = true;
  for (const std::string& adapter : adapters_) {
    drop(use_.waiting_, adapter);
    ++use_.running_[adapter];
  }
}

void AdapterUse::drop(Counts& counts, const std::string& adapter) {
  const auto found = counts.find(adapter);
  if (--found->second == 0) counts.erase(found);
}

std::string AdapterUse::list(const Counts& counts) {
  std::string names;
  for (const auto& [name, count] : counts) names += (names.empty() ? "" : ",") + name;
  return names;
}

std::string AdapterUse::waiting() const {
  const MutexLock lock(mutex_);
  return list(waiting_);
}

std::string AdapterUse::running() const {
  const MutexLock lock(mutex_);
  return list(running_);
}

}  // namespace quiver
