#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/expert.h"
#include "train/trainable_adapter.h"

namespace quiver {

// Slots of `base` that a LoRA goes to: the module's path without its last part matches `modify_modules` whole
// and that last part matches `modify_layers` whole; with an empty `modify_layers` the path alone must match
// `modify_modules`. Throws Error(kInvalidArgument) when nothing matches or a regex is broken.
std::vector<std::int64_t> match_slots(const BaseModel& base, const LoraConfig& config);

// Which of a LoRA's tensors are trained, and which are one; the meaning is TrainingOptions'.
struct ParameterChoice {
  std::string trainable = ".*";
  std::optional<std::string> frozen = {};
  std::optional<std::string> tied = {};
};

// A LoRA in training: y + scale * dropout(x) A^T B^T in every matched slot. A starts uniform in +-1 / sqrt(3
// in), B at zero (or as A with init_b_random), as in the reference.
class LoraTrainer : public TrainableAdapter {
 public:
  // `seed` decides the start. `initial`, when not empty, gives every matched module's start instead.
  LoraTrainer(const BaseModel& base, const LoraConfig& config, const ParameterChoice& choice,
              std::uint64_t seed, const std::map<std::string, LoraWeights>& initial = {});

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;
  FlatParameters& parameters() override { return *parameters_; }
  void begin_step(std::uint64_t seed) override;
  void set_training(bool training) override { training_ = training; }

  // A copy of the current weights by module path.
  std::map<std::string, LoraWeights> weights() const;

 private:
  struct Slot {
    std::int64_t index;  // into BaseModel::slots()
    at::Tensor a, b;     // (r, in), (out, r); leaves, or plain tensors where frozen
  };

  void draw_start(std::uint64_t seed, const std::map<std::string, LoraWeights>& initial);
  std::map<std::string, at::Tensor*> tensors_by_name();

  at::Tensor dropped_out_hidden(const std::vector<const Slot*>& slots, const at::Tensor& x) const;

  const BaseModel& base_;
  LoraConfig config_;
  std::vector<Slot> slots_;
  std::vector<std::vector<const Slot*>> by_group_;
  std::unique_ptr<FlatParameters> parameters_;
  mutable at::Generator dropout_generator_;
  bool training_ = true;
};

}  // namespace quiver
