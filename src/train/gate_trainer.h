#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quiver/expert.h"
#include "train/stacked_experts.h"
#include "train/trainable_adapter.h"

namespace quiver {

// PhatGOOSE gates in training over one frozen expert: y + sigmoid(x . v) * scale * x A^T B^T, v from zero.
class GateTrainer : public TrainableAdapter {
 public:
  GateTrainer(const BaseModel& base, const Expert& expert);

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;
  FlatParameters& parameters() override { return *parameters_; }
  void begin_step(std::uint64_t) override {}
  void set_training(bool) override {}

  std::map<std::string, at::Tensor> gates() const;

 private:
  std::vector<StackedGroup> groups_;
  std::vector<std::size_t> first_parameter_;  // by group; one a module
  std::vector<std::string> paths_;            // by parameter
  std::unique_ptr<FlatParameters> parameters_;
};

}  // namespace quiver
