#pragma once

#include <memory>
#include <span>
#include <vector>

#include "quiver/expert.h"
#include "train/stacked_experts.h"
#include "train/trainable_adapter.h"

namespace quiver {

// Frozen experts, joined with one weight each: y + sum_e w_e s_e x A_e^T B_e^T.
class ExpertMixture {
 public:
  ExpertMixture(const BaseModel& base, std::span<const Expert> experts);

  std::size_t experts() const { return experts_; }
  // weights (E) float32; differentiable in them and in x.
  at::Tensor add(const LinearGroup& group, const at::Tensor& x, at::Tensor y,
                 const at::Tensor& weights) const;

 private:
  std::size_t experts_;
  std::vector<StackedGroup> groups_;
  std::vector<at::Tensor> owners_;  // by group: the expert of each row of A, (sum of ranks) int64
};

// The mixture with weights that stay. Borrows the mixture.
class WeightedExperts : public LinearAdapter {
 public:
  WeightedExperts(const ExpertMixture& mixture, at::Tensor weights)
      : mixture_(mixture), weights_(std::move(weights)) {}
  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override {
    return mixture_.add(group, x, std::move(y), weights_);
  }

 private:
  const ExpertMixture& mixture_;
  at::Tensor weights_;  // (E)
};

// The mixture in training, as mttl's poly_router has it for one task (Ponti et al. 2023, equation 4): w =
// sigmoid(z) / sum sigmoid(z), z from zero, so that all experts begin with 1/E. Borrows the mixture.
class MixtureTrainer : public TrainableAdapter {
 public:
  explicit MixtureTrainer(const ExpertMixture& mixture);

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override {
    return mixture_.add(group, x, std::move(y), weights());
  }
  FlatParameters& parameters() override { return *parameters_; }
  void begin_step(std::uint64_t) override {}
  void set_training(bool) override {}

  at::Tensor weights() const;  // (E); sum 1

 private:
  const ExpertMixture& mixture_;
  std::unique_ptr<FlatParameters> parameters_;
};

}  // namespace quiver
