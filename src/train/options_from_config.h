#pragma once

#include "core/config.h"
#include "quiver/training.h"

namespace quiver {

// The training settings of an experiment. Throws Error(kUnsupported) for `tie_params`.
TrainingOptions training_options(const ExperimentConfig& config);

}  // namespace quiver
