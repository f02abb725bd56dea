#include "train/training_examples.h"

#include <algorithm>

#include "core/log.h"
#include "quiver/error.h"

namespace quiver {

TextBeginning beginning_of(const BaseModel& base, const TrainingOptions& options) {
  return TextBeginning(base.tokenizer(), options.bos, base.eos_id());
}

std::vector<TokenizedExample> tokenize_examples(const BaseModel& base, const std::vector<Example>& examples,
                                                const TrainingOptions& options) {
  const TokenizeOptions tokenize{
      .max_input_length = std::min(options.max_input_length, base.shape().max_positions),
      .truncation_side = options.truncation_side,
      .add_eos_to_targets = options.add_eos_to_targets,
      .train_on_inputs = options.train_on_inputs,
      .beginning = beginning_of(base, options)};
  std::vector<TokenizedExample> result;
  std::size_t dropped = 0;
  for (const Example& example : examples) {
    std::optional<TokenizedExample> tokenized =
        tokenize_for_training(base.tokenizer(), base.eos_id(), example, tokenize);
    if (tokenized && tokenized->ids.size() > 1) {
      result.push_back(*std::move(tokenized));
    } else {
      ++dropped;
    }
  }
  if (dropped > 0) {
    log_warning(std::to_string(dropped) + " of " + std::to_string(examples.size()) +
                " examples have no target left after truncation and are not used");
  }
  return result;
}

std::vector<TokenizedExample> tokenize_training_split(const BaseModel& base, const TaskDataset& data,
                                                      const TrainingOptions& options,
                                                      const std::string& name) {
  std::vector<TokenizedExample> train = tokenize_examples(base, data.examples(Split::kTrain), options);
  if (train.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "there is no training example with a target for '" + name + "'",
                "check the split column, max_input_length and truncation_side");
  }
  return train;
}

}  // namespace quiver
