#include "routing/expert_set.h"

#include <algorithm>
#include <set>

#include "core/strings.h"
#include "quiver/error.h"

namespace quiver {

std::vector<std::string> tasks_of(const ExpertInfo& expert) {
  return expert.tasks.empty() ? std::vector<std::string>{expert.name} : expert.tasks;
}

std::vector<std::string> ExpertSet::names() const {
  std::vector<std::string> result;
  for (const auto& expert : experts_) result.push_back(expert->info.name);
  return result;
}

std::vector<std::string> ExpertSet::tasks() const {
  std::vector<std::string> result;
  for (const auto& expert : experts_) {
    const std::vector<std::string> own = tasks_of(expert->info);
    result.insert(result.end(), own.begin(), own.end());
  }
  return result;
}

std::vector<ExpertInfo> ExpertSet::infos() const {
  std::vector<ExpertInfo> result;
  for (const auto& expert : experts_) result.push_back(expert->info);
  return result;
}

std::vector<std::int64_t> ExpertSet::slots() const {
  std::set<std::int64_t> all;
  for (const auto& expert : experts_) {
    for (const auto& [slot, factors] : expert->factors) all.insert(slot);
  }
  return {all.begin(), all.end()};
}

std::optional<std::size_t> ExpertSet::find_task(const std::string& task) const {
  for (std::size_t i = 0; i < experts_.size(); ++i) {
    const std::vector<std::string> own = tasks_of(experts_[i]->info);
    if (std::find(own.begin(), own.end(), task) != own.end()) return i;
  }
  return std::nullopt;
}

std::size_t ExpertSet::index_of(const std::string& expert) const {
  for (std::size_t i = 0; i < experts_.size(); ++i) {
    if (experts_[i]->info.name == expert) return i;
  }
  throw Error(ErrorKind::kNotFound, "no expert '" + expert + "'", did_you_mean(expert, names()));
}

ExpertSet ExpertSet::without(std::size_t index) const {
  std::vector<std::shared_ptr<const BoundExpert>> others = experts_;
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(index));
  return ExpertSet(std::move(others));
}

void check_tasks(const ExpertSet& experts) {
  std::map<std::string, std::string> owner;
  for (const auto& expert : experts) {
    for (const std::string& task : expert->info.tasks) {
      const auto [place, added] = owner.emplace(task, expert->info.name);
      if (added) continue;
      throw Error(ErrorKind::kInvalidArgument,
                  "the experts '" + place->second + "' and '" + expert->info.name +
                      "' were both trained on task '" + task + "'",
                  "keep them in different libraries");
    }
  }
}

}  // namespace quiver
