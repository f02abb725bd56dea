#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/dataset.h"
#include "quiver/library.h"
#include "quiver/training.h"

namespace quiver {

// How the weights of a library's experts are found for a task of few rows. The experts themselves stay.
enum class AdaptMethod {
  // w = sigmoid(z) / sum sigmoid(z), z by gradient from 0: mttl's poly_router for one task (Ponti et al.
  // 2023,
  // equation 4), with one weight an expert for the whole model. Sum 1, none negative.
  kGradient,
  // Without gradients: w in [-1.5, 1.5] from 0, loss + 0.05 mean |w| made small (Huang et al. 2023, equation
  // 2)
  // by an evolution strategy. The weights are of updates; LoraHub's are of factors.
  kLoraHub,
};

// "gradient" or "lorahub", and back. parse_adapt_method() throws Error(kInvalidArgument).
std::string adapt_method_name(AdaptMethod method);
AdaptMethod parse_adapt_method(const std::string& text);

// 50 steps of 4 rows, AdamW at 0.3 without weight decay or warm-up, linear decay to zero, clipping at 1.
TrainingOptions default_adaptation_options();

struct AdaptOptions {
  AdaptMethod method = AdaptMethod::kGradient;
  std::vector<std::string> experts = {};  // empty: all of the library
  // How texts are read, what random choices come from and what stops it; of kGradient the optimizer's
  // settings too. `lora`, `trainable`, `frozen` and `tied` are not looked at.
  TrainingOptions training = default_adaptation_options();
  std::int64_t evaluations = 40;  // kLoraHub: of the loss, LoraHub's own number
  std::int64_t rank = 0;          // of the result at most, by singular value decomposition; 0: all, exactly
};

// Learns one weight an expert on the training rows of `data` and returns sum_e w_e s_e B_e A_e as one expert
// called `name`, exactly, of rank sum of ranks. Its tasks are those of the rows, its `training` says how it
// was made, with the weights, its `metrics` the mean loss over the rows of the base alone and of itself.
// `observer` is told each step, or each evaluation with the best value so far.
//
// Throws Error(kInvalidArgument): fewer than one expert, experts of another base, or trained on texts that
// begin differently, no row with a target, fewer than one evaluation; kNotFound for a name that is not there;
// kNotFinite; kInterrupted, of which nothing is kept.
Expert adapt_experts(const ExpertLibrary& library, const BaseModel& base, const TaskDataset& data,
                     const AdaptOptions& options, const std::string& name,
                     const TrainingObserver& observer = {});

}  // namespace quiver
