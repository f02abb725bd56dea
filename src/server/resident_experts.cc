#include "server/resident_experts.h"

#include <algorithm>

#include "modular/bind_experts.h"
#include "protocol/api_error.h"

namespace quiver {
namespace {

std::string megabytes(std::int64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MB"; }

}  // namespace

std::int64_t size_of(const BoundExpert& expert) {
  std::int64_t bytes = 0;
  for (const auto& [slot, factors] : expert.factors)
    bytes += static_cast<std::int64_t>(factors.a.nbytes() + factors.b.nbytes());
  return bytes;
}

ResidentExperts::ResidentExperts(std::shared_ptr<const BaseModel> base, std::int64_t bytes,
                                 std::function<void()> release)
    : base_(std::move(base)), limit_(bytes), release_(std::move(release)) {}

ResidentExperts::Resident ResidentExperts::get(const std::string& key, BeginOfText bos,
                                               const std::function<Expert()>& read) {
  if (std::optional<Resident> resident = find(key)) return *std::move(resident);
  const MutexLock turn(reading_);
  // Another thread may have read it meanwhile.
  if (std::optional<Resident> resident = find(key)) return *std::move(resident);
  auto bound = std::make_shared<const BoundExpert>(bind_expert(*base_, read()));
  const std::string& name = bound->info.name;
  const std::int64_t bytes = size_of(*bound);
  if (limit_ > 0 && bytes > limit_) {
    throw ApiError(400, "expert '" + name + "' takes " + megabytes(bytes) + ", more than the " +
                            megabytes(limit_) + " of --expert-memory");
  }
  LoadedExperts loaded;
  loaded.sets[ExpertScales::kOwn] = ExpertSet({bound});
  loaded.artefacts.emplace_back();
  RouterOptions alone{.router = "expert", .expert = name, .bos = bos};
  Resident resident{bound, RoutedModel::compose_loaded(base_, loaded, alone, "")};
  loaded = {};

  const MutexLock lock(mutex_);
  if (!make_room(bytes)) {
    throw ApiError(503, "no room for expert '" + name + "': the experts in use take " + megabytes(bytes_) +
                            " of the " + megabytes(limit_) + " of --expert-memory");
  }
  bytes_ += bytes;
  bound.reset();
  Entry& entry = entries_.insert_or_assign(key, Entry{resident, bytes, ++uses_, false, 0}).first->second;
  entry.own_uses = entry.resident.bound.use_count() - 1;  // without the copy that is returned
  return resident;
}

std::optional<ResidentExperts::Resident> ResidentExperts::find(const std::string& key) {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  found->second.last_use = ++uses_;
  return found->second.resident;
}

bool ResidentExperts::is_in_use(const Entry& entry) {
  return entry.resident.alone.copies() > 1 || entry.resident.bound.use_count() > entry.own_uses;
}

bool ResidentExperts::make_room(std::int64_t bytes) {
  if (limit_ <= 0) return true;
  bool has_released = !release_;
  while (bytes_ + bytes > limit_) {
    auto oldest = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->second.is_pinned || is_in_use(entry->second)) continue;
      if (oldest == entries_.end() || entry->second.last_use < oldest->second.last_use) oldest = entry;
    }
    if (oldest != entries_.end()) {
      bytes_ -= oldest->second.bytes;
      entries_.erase(oldest);
    } else if (!has_released) {
      release_();
      has_released = true;
    } else {
      return false;
    }
  }
  return true;
}

void ResidentExperts::set_pinned(const std::string& key, bool is_pinned) {
  const MutexLock lock(mutex_);
  if (const auto found = entries_.find(key); found != entries_.end()) found->second.is_pinned = is_pinned;
}

void ResidentExperts::forget(const std::string& key) {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  bytes_ -= found->second.bytes;
  entries_.erase(found);
}

void ResidentExperts::keep(const std::function<bool(const std::string&)>& is_wanted) {
  const MutexLock lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (is_wanted(entry->first) || is_in_use(entry->second)) {
      ++entry;
    } else {
      bytes_ -= entry->second.bytes;
      entry = entries_.erase(entry);
    }
  }
}

std::int64_t ResidentExperts::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

std::size_t ResidentExperts::count() const {
  const MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace quiver
