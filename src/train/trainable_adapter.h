#pragma once

#include "quiver/base_model.h"
#include "train/parameters.h"

namespace quiver {

// An adapter whose parameters are being trained. One training thread uses it at a time.
class TrainableAdapter : public LinearAdapter {
 public:
  virtual FlatParameters& parameters() = 0;
  // Called before every step with the number that seeds the step's dropout.
  virtual void begin_step(std::uint64_t seed) = 0;
  // Training mode (dropout active) or evaluation mode.
  virtual void set_training(bool training) = 0;
};

}  // namespace quiver
