#pragma once

#include <vector>

#include "data/tokenized_example.h"
#include "quiver/base_model.h"
#include "quiver/training.h"
#include "train/trainable_adapter.h"

namespace quiver {

// What a run measured; goes into the expert's metrics.
struct RunReport {
  std::int64_t steps = 0;
  std::int64_t tokens = 0;  // run forward and backward
  double seconds = 0;
  double first_loss = 0, last_loss = 0;
  std::optional<double> validation_loss;  // of the weights that were kept
  std::optional<std::int64_t> best_step;  // Keep::kBest only
};

// Runs the optimizer over `train` until the end, then leaves the kept weights in the adapter. See
// train_expert for what it guarantees. `identity` names the data and settings in a checkpoint.
RunReport run_training(const BaseModel& base, TrainableAdapter& adapter,
                       const std::vector<TokenizedExample>& train,
                       const std::vector<TokenizedExample>& validation, const TrainingOptions& options,
                       const std::string& identity, const TrainingObserver& observer);

// About how much work a run on the training split of `data` is, for comparison with other runs: steps times
// bytes of a batch's text, as far as it is not truncated.
double training_cost(const TaskDataset& data, const TrainingOptions& options);

// One optimizer batch's loss; its gradients are added to the adapter's. Used by run_training.
struct BatchLoss {
  double loss = 0;
  std::int64_t tokens = 0;
};
BatchLoss accumulate_gradients(const BaseModel& base, const LinearAdapter& adapter,
                               const std::vector<const TokenizedExample*>& batch,
                               const TrainingOptions& options);

// Mean over examples of each one's mean loss per target token.
double validation_loss(const BaseModel& base, const LinearAdapter& adapter,
                       const std::vector<TokenizedExample>& examples, std::int64_t token_budget);

}  // namespace quiver
