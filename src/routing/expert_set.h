#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/mixture.h"
#include "quiver/expert.h"

namespace quiver {

// One expert laid out for one base model. Immutable; shared by every model that has it.
struct BoundExpert {
  ExpertInfo info;
  std::map<std::int64_t, LoraFactors> factors;  // by index into BaseModel::slots()
};

// Experts of a library for one base model, sorted by name, which is the order of every expert index. A value:
// adding or leaving out one copies pointers alone.
class ExpertSet {
 public:
  ExpertSet() = default;
  explicit ExpertSet(std::vector<std::shared_ptr<const BoundExpert>> experts)
      : experts_(std::move(experts)) {}

  std::size_t size() const { return experts_.size(); }
  bool empty() const { return experts_.empty(); }
  const BoundExpert& operator[](std::size_t index) const { return *experts_[index]; }
  auto begin() const { return experts_.begin(); }
  auto end() const { return experts_.end(); }

  std::vector<std::string> names() const;
  std::vector<std::string> tasks() const;
  std::vector<ExpertInfo> infos() const;
  // Indices of slots that some expert adapts, ascending.
  std::vector<std::int64_t> slots() const;
  // The index of the expert trained on a task (its own name counts as a task when it lists none).
  std::optional<std::size_t> find_task(const std::string& task) const;
  // Throws Error(kNotFound) with the nearest names.
  std::size_t index_of(const std::string& expert) const;
  ExpertSet without(std::size_t index) const;

 private:
  std::vector<std::shared_ptr<const BoundExpert>> experts_;
};

// The tasks an expert was trained on, or its own name where it lists none.
std::vector<std::string> tasks_of(const ExpertInfo& expert);

// Throws Error(kInvalidArgument) naming two experts that claim one task.
void check_tasks(const ExpertSet& experts);

}  // namespace quiver
