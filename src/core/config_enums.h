#pragma once

#include "quiver/begin_of_text.h"
#include "quiver/precision.h"

// The closed choices among the config keys, in a header of their own so that layers can name them without the
// whole config.
namespace quiver {

// Which end of a too long token sequence is cut off.
enum class TruncationSide { kLeft, kRight };

// The weights of a training run that become the expert: after the last step, or those with the lowest
// validation loss.
enum class KeepWeights { kLast, kBest };

// How the loss of an optimizer batch is averaged. kTokenMean: over all target tokens of the batch. kMttl: the
// mean over micro-batches of each one's token mean, as mttl does, so that short micro-batches weigh more.
enum class TargetLoss { kTokenMean, kMttl };

enum class OptimizerKind { kAdamW, kAdam, kSgd };

// The factor on the learning rate over the optimizer steps; schedule_factor (train/optimizer.h) has the
// formulas.
enum class SchedulerKind {
  kLinearDecayWithWarmup,
  kPolynomialDecayWithWarmup,  // power 1, down to 1e-7
  kWarmup,                     // linear warm-up, constant afterwards
  kCosineAnnealing,            // no warm-up
};

}  // namespace quiver
