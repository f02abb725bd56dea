#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/expert.h"

namespace quiver {

// Looks at what goes into the layers that an expert adapts, and changes nothing. Of one thread.
class SlotInputs : public LinearAdapter {
 public:
  // Throws Error(kInvalidArgument) for a module that the base does not have.
  SlotInputs(const BaseModel& base, const Expert& expert);

  // One layer above the highest that is looked at: how far the base has to run.
  std::int64_t depth() const { return depth_; }

  // Says which batch comes next.
  void begin(const RaggedBatch& batch);
  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;

  // Per adapted layer (in) float32: the mean over sequences of the mean over a sequence's tokens.
  std::map<std::string, at::Tensor> means() const { return divide(&Sums::plain); }
  // The same of inputs at unit length.
  std::map<std::string, at::Tensor> unit_means() const { return divide(&Sums::unit); }

 private:
  struct Sums {
    at::Tensor plain, unit;  // (in) float64
  };
  std::map<std::string, at::Tensor> divide(at::Tensor Sums::*sum) const;

  std::map<std::string, std::int64_t> groups_;  // by module path
  std::int64_t depth_ = 0;
  std::int64_t sequences_ = 0;
  at::Tensor weights_;                         // (T) float32: one over the length of the token's sequence
  mutable std::map<std::int64_t, Sums> sums_;  // by group
};

}  // namespace quiver
