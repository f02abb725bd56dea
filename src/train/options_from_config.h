#pragma once

#include "core/config.h"
#include "quiver/training.h"

namespace quiver {

// The training settings of an experiment.
TrainingOptions training_options(const ExperimentConfig& config);

}  // namespace quiver
