#pragma once

#include <string>
#include <vector>

#include "data/tokenized_example.h"
#include "quiver/base_model.h"
#include "quiver/training.h"

namespace quiver {

// What stands before every text of a training.
TextBeginning beginning_of(const BaseModel& base, const TrainingOptions& options);

// Those that have a target after truncation; a warning counts the others.
std::vector<TokenizedExample> tokenize_examples(const BaseModel& base, const std::vector<Example>& examples,
                                                const TrainingOptions& options);

// The training split. Throws Error(kInvalidArgument), naming what is trained, where no example has a target.
std::vector<TokenizedExample> tokenize_training_split(const BaseModel& base, const TaskDataset& data,
                                                      const TrainingOptions& options,
                                                      const std::string& name);

}  // namespace quiver
