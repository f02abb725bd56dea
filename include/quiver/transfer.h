#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "quiver/dataset.h"
#include "quiver/generation.h"
#include "quiver/library.h"

namespace quiver {

struct TransferOptions {
  std::vector<std::string> experts = {};  // empty: all of the library
  // How continuations are written. Prompts with their reference answers are cut to max_input_length too, from
  // the left whatever a training does, so that no answer is lost.
  GenerationOptions generation = {};
  BeginOfText bos = BeginOfText::kAuto;
};

// One expert, or the base alone, on every task.
struct TransferRow {
  std::string expert;                // empty: the base alone
  std::vector<std::string> trained;  // the expert's training tasks
  // By task. loss: mean over the task's examples of each one's mean cross-entropy per target token,
  // end-of-text among them, as a training's validation loss where nothing is cut. rouge_l: mean Rouge-L of
  // greedy continuations, 0..100.
  std::vector<double> loss, rouge_l;
};

// What each expert does on each task (mttl's compute_transfer_matrix). The first row is the base alone.
struct TransferMatrix {
  std::vector<std::string> tasks;      // sorted
  std::vector<std::int64_t> examples;  // by task
  std::vector<TransferRow> rows;
};

// Called with the number of examples done since the last call; each counts twice a row, for loss and text.
using TransferObserver = std::function<void(std::int64_t)>;

// Runs the examples under the base and under one expert after the other, each read when its turn comes.
// Throws what RoutedModel::compose, score and generate throw, a failure among the examples by its place; and
// Error(kInvalidArgument) for no example, and for one without a token to predict.
TransferMatrix compute_transfer_matrix(std::shared_ptr<const BaseModel> base, const ExpertLibrary& library,
                                       const std::vector<Example>& examples, const TransferOptions& options,
                                       const TransferObserver& observer = {});

// {"tasks", "n", "rows": [{"expert" (null: the base), "tasks", "loss", "rougeL"}]}
nlohmann::json to_json(const TransferMatrix& matrix);

}  // namespace quiver
