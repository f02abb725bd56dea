#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/begin_of_text.h"
#include "quiver/dataset.h"
#include "quiver/expert.h"

namespace quiver {

enum class Optimizer { kAdamW, kAdam, kSgd };
enum class Schedule { kLinearDecay, kPolynomialDecay, kWarmup, kCosine };
// kLast: the weights after the last step; kBest: those with the lowest validation loss.
enum class Keep { kLast, kBest };
// kTokenMean: over all target tokens of an optimizer batch. kMicroBatchMean: the mean of the token means of
// its micro-batches of micro_batch_size, as mttl does; without that size a batch is one micro-batch.
enum class LossMean { kTokenMean, kMicroBatchMean };

// How one expert is trained. Defaults are the reference's.
struct TrainingOptions {
  LoraConfig lora = {};
  std::string trainable = ".*";            // regex over "<module path>.lora_a" and ".lora_b", matched whole
  std::optional<std::string> frozen = {};  // takes names out of the above
  // Regex, looked for in these names as mttl's tie_params: those in which it matches from one place to the
  // end, behind the same beginning ("model.layers.0.self_attn."), are one parameter, which the first of them
  // names.
  std::optional<std::string> tied = {};
  Optimizer optimizer = Optimizer::kAdamW;
  double learning_rate = 1e-3;
  double weight_decay = 0.01;  // decoupled
  double adam_epsilon = 1e-8;
  double clip_norm = 0.1;  // global norm; 0: no clipping
  Schedule schedule = Schedule::kLinearDecay;
  std::int64_t warmup_steps = -1;  // -1: from the proportion, which wins whenever it is above 0
  double warmup_proportion = 0.06;
  std::int64_t epochs = -1;
  std::int64_t total_steps = -1;      // optimizer steps; wins over epochs
  std::int64_t batch_size = 4;        // examples of one optimizer step
  std::int64_t micro_batch_size = 0;  // examples run at once; 0: as many as the token budget allows
  std::int64_t token_budget = 1024;   // tokens run at once; bounds the memory whatever the batch
  LossMean loss_mean = LossMean::kTokenMean;
  std::int64_t max_input_length = 1024;
  TruncationSide truncation_side = TruncationSide::kRight;
  bool train_on_inputs = false;
  bool add_eos_to_targets = true;
  // What stands before every text. For gates kAuto means as the expert was trained.
  BeginOfText bos = BeginOfText::kAuto;
  std::int64_t evaluate_every =
      0;  // steps between validations besides the last; 0: only for Keep::kBest, each epoch
  Keep keep = Keep::kLast;
  std::uint64_t seed = 42;
  // Whether all experts of a seed start from the same A, as in 0.1.0; else seed and name decide.
  bool shared_start = false;
  std::filesystem::path checkpoint = {};  // file to resume from and to leave on interruption; empty: none
  std::int64_t checkpoint_every = 0;      // steps between checkpoints; 0: only on interruption
  bool resume = false;                    // continue from `checkpoint` when it is there
  // Asked between two steps; such a training alone ends, with its checkpoint. Several may have one token.
  std::stop_token stop = {};
};

// What an observer is told after every optimizer step.
struct TrainingStep {
  std::int64_t step = 0;  // 1 .. total
  std::int64_t total = 0;
  double loss = 0;  // of this step's batch, before the update
  double learning_rate = 0;
  double gradient_norm = 0;               // before clipping
  std::int64_t tokens = 0;                // run in this step
  double seconds = 0;                     // of the step and its validation
  std::optional<double> validation_loss;  // when this step was followed by a validation
};
using TrainingObserver = std::function<void(const TrainingStep&)>;

// Trains one LoRA expert on the training split of `data` and returns it, with the settings and metrics filled
// in. The base is shared and never changed, so several trainings may run on it from different threads.
//
// The random start is drawn from ATen's CPU generator, module by module in the base's order, seeded with the
// first eight hexadecimal digits of the SHA-256 of "<seed>/<name>" (`printf 42/colour | sha256sum`), or with
// the seed itself where shared_start is set; so it depends on nothing else.
//
// The loss is the cross-entropy of the target tokens only. Batches are ragged: no padding. The result depends
// on the data, the options and the number of threads, not on interruptions: a run that is stopped by its
// `stop` writes its checkpoint and throws Error(kInterrupted); resumed, it ends with the weights of an
// uninterrupted run. A checkpoint of a run with a shared start goes on as such a run.
//
// Throws Error(kInvalidArgument) when no module matches, `tied` ties nothing or parameters of different size,
// no example has a target, or the options contradict themselves; kStale when the checkpoint belongs to other
// settings or data.
Expert train_expert(const BaseModel& base, const std::string& name, const TaskDataset& data,
                    const TrainingOptions& options, const TrainingObserver& observer = {});

// What train_expert takes, for one of several experts.
struct ExpertTraining {
  std::string name;
  TaskDataset data;
  TrainingOptions options;
};

// How many of several trainings run together: a single one leaves threads idle in its serial parts.
struct SideBySide {
  std::size_t at_once = 0;  // 0: one per thread, at most 8
  // Of all together, each having an equal share; 0: at::get_num_threads() of the calling thread.
  int threads = 0;
};

// Trains several experts on one loaded base. `on_trained` takes each expert as it ends; it and `observer`,
// which is told the training's number too, are called from the training threads, one call at a time. Throws
// as train_expert does: no further training starts, those that run end first, and their experts are handed
// over.
//
// ATen's number of threads is a property of each thread and, for threads that begin, of the process. Each
// training runs on a thread of its own with its share; no other thread gets another number. That of the
// process, which ATen can only set together with a thread's, is the share for the moments in which the
// training threads begin, and then what it was.
void train_experts(const BaseModel& base, std::span<const ExpertTraining> trainings,
                   const SideBySide& side_by_side,
                   const std::function<void(std::size_t, const Expert&)>& on_trained,
                   const std::function<void(std::size_t, const TrainingStep&)>& observer = {});

// One PhatGOOSE gate per adapted slot (Muqeeth et al. 2024, section 3): base and expert stay frozen, the
// expert's update is scaled by sigmoid(v . x), and v, zero at the start, is trained with the same loss.
// Returns slot path -> v (in) float32. `options.lora` is not looked at. Checks that the frozen weights did
// not change and the gates did.
std::map<std::string, at::Tensor> train_gates(const BaseModel& base, const Expert& expert,
                                              const TaskDataset& data, const TrainingOptions& options,
                                              const TrainingObserver& observer = {});

}  // namespace quiver
