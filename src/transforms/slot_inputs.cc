#include "transforms/slot_inputs.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/strings.h"
#include "quiver/error.h"

namespace quiver {
namespace {

constexpr double kShortest = 1e-12;  // as in torch.nn.functional.normalize

}  // namespace

SlotInputs::SlotInputs(const BaseModel& base, const Expert& expert) {
  std::map<std::string, const LinearSlot*> slots;
  for (const LinearSlot& slot : base.slots()) slots[slot.path] = &slot;
  for (const auto& [path, weights] : expert.modules) {
    const auto found = slots.find(path);
    if (found == slots.end()) {
      std::vector<std::string> paths;
      for (const auto& [known, slot] : slots) paths.push_back(known);
      throw Error(ErrorKind::kInvalidArgument,
                  "expert '" + expert.info.name + "' adapts '" + path + "', which the base model " +
                      base.name() + " does not have",
                  did_you_mean(path, paths));
    }
    const LinearSlot& slot = *found->second;
    groups_[path] = slot.group;
    depth_ = std::max(depth_, slot.layer + 1);
    sums_.try_emplace(slot.group, Sums{at::zeros({slot.in}, at::kDouble), at::zeros({slot.in}, at::kDouble)});
  }
}

void SlotInputs::begin(const RaggedBatch& batch) {
  weights_ = at::empty({batch.tokens()}, at::kFloat);
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const std::int64_t first = batch.offsets[s], last = batch.offsets[s + 1];
    weights_.slice(0, first, last).fill_(1.0 / static_cast<double>(last - first));
  }
  sequences_ += batch.sequences();
}

at::Tensor SlotInputs::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const auto found = sums_.find(group.index);
  if (found == sums_.end()) return y;
  const at::Tensor inputs = x.to(at::kFloat), weights = weights_.to(x.device());
  const at::Tensor lengths = at::linalg_vector_norm(inputs, 2, {1}).clamp_min(kShortest);
  found->second.plain.add_(at::mv(inputs.t(), weights).to(at::kCPU, at::kDouble));
  found->second.unit.add_(at::mv(inputs.t(), weights / lengths).to(at::kCPU, at::kDouble));
  return y;
}

std::map<std::string, at::Tensor> SlotInputs::divide(at::Tensor Sums::*sum) const {
  std::map<std::string, at::Tensor> means;
  for (const auto& [path, group] : groups_) {
    means[path] = (sums_.at(group).*sum / static_cast<double>(sequences_)).to(at::kFloat);
  }
  return means;
}

}  // namespace quiver
