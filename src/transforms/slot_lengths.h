#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/expert.h"

namespace quiver {

// Measures how long what goes into the layers that an expert adapts is along its update, and changes nothing.
// Of one thread.
class SlotLengths : public LinearAdapter {
 public:
  // Throws Error(kInvalidArgument) for a module that the base does not have.
  SlotLengths(const BaseModel& base, const Expert& expert);

  // One layer above the highest that is looked at: how far the base has to run.
  std::int64_t depth() const { return depth_; }

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;

  // (2) float32 by the keys of the artefact kCalibrationKind: mean and standard deviation over tokens. Throws
  // Error(kNotFinite) where they are not finite, Error(kInvalidArgument) where all lengths are equal.
  std::map<std::string, at::Tensor> results() const;

 private:
  struct Sums {
    double count = 0, sum = 0, squares = 0;
    void add(const at::Tensor& lengths);
  };
  struct Slot {
    std::string path;
    at::Tensor directions, stretched;  // UpdateDirections
    mutable Sums projection, activation;
  };

  std::string expert_;
  std::map<std::int64_t, std::vector<Slot>> groups_;  // by group
  std::int64_t depth_ = 0;
};

}  // namespace quiver
