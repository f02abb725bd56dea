#include "transforms/slot_lengths.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/strings.h"
#include "quiver/error.h"
#include "routing/calibration.h"
#include "routing/update_directions.h"

namespace quiver {

SlotLengths::SlotLengths(const BaseModel& base, const Expert& expert) : expert_(expert.info.name) {
  std::map<std::string, const LinearSlot*> slots;
  std::vector<std::string> paths;
  for (const LinearSlot& slot : base.slots()) {
    slots[slot.path] = &slot;
    paths.push_back(slot.path);
  }
  for (const auto& [path, weights] : expert.modules) {
    const auto found = slots.find(path);
    if (found == slots.end()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "expert '" + expert_ + "' adapts '" + path + "', which the base model " + base.name() +
                      " does not have",
                  did_you_mean(path, paths));
    }
    const UpdateDirections update =
        update_directions({weights.a.to(at::kFloat), (weights.b.t() * weights.scale).to(at::kFloat)});
    groups_[found->second->group].push_back({path, update.directions, update.stretched, {}, {}});
    depth_ = std::max(depth_, found->second->layer + 1);
  }
}

void SlotLengths::Sums::add(const at::Tensor& lengths) {
  const at::Tensor values = lengths.to(at::kDouble);
  count += static_cast<double>(values.numel());
  sum += values.sum().item<double>();
  squares += values.square().sum().item<double>();
}

at::Tensor SlotLengths::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const auto found = groups_.find(group.index);
  if (found == groups_.end()) return y;
  const at::Tensor inputs = x.to(at::kCPU, at::kFloat);
  for (const Slot& slot : found->second) {
    const auto lengths = [&](const at::Tensor& rows) {
      return at::linalg_vector_norm(at::mm(inputs, rows.t()), 2, {1});
    };
    slot.projection.add(lengths(slot.directions));
    slot.activation.add(lengths(slot.stretched));
  }
  return y;
}

std::map<std::string, at::Tensor> SlotLengths::results() const {
  std::map<std::string, at::Tensor> results;
  const auto put = [&](const std::string& key, const Sums& sums) {
    const double mean = sums.sum / sums.count;
    const double variance = sums.squares / sums.count - mean * mean;
    if (!std::isfinite(variance))
      throw Error(ErrorKind::kNotFinite,
                  "expert '" + expert_ + "': the lengths '" + key + "' are not finite");
    // Below this the difference is rounding.
    if (variance <= mean * mean * 1e-12) {
      throw Error(ErrorKind::kInvalidArgument,
                  "expert '" + expert_ + "': all tokens of its prompts have the same length '" + key +
                      "', which calibrates nothing",
                  mean == 0 ? "train the expert first" : "give more rows");
    }
    results[key] = at::tensor({static_cast<float>(mean), static_cast<float>(std::sqrt(variance))});
  };
  for (const auto& [group, slots] : groups_) {
    for (const Slot& slot : slots) {
      put(calibration_projection_key(slot.path), slot.projection);
      put(calibration_activation_key(slot.path), slot.activation);
    }
  }
  return results;
}

}  // namespace quiver
