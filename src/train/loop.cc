#include "train/loop.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <chrono>

#include "model/first_not_finite.h"
#include "quiver/error.h"
#include "tensor/finite.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"

namespace quiver {
namespace {

// The examples of step `step` (0-based): each epoch is a permutation of its own, drawn from the seed and the
// epoch.
class BatchOrder {
 public:
  BatchOrder(std::size_t examples, const TrainingOptions& options, const RunLength& length)
      : examples_(static_cast<std::int64_t>(examples)), options_(options), per_epoch_(length.per_epoch) {}

  std::vector<std::int64_t> indices(std::int64_t step) {
    const std::int64_t epoch = step / per_epoch_;
    if (epoch != epoch_) {
      epoch_ = epoch;
      const std::uint64_t seed = options_.seed + 1000003ull * static_cast<std::uint64_t>(epoch);
      order_ = at::randperm(examples_, at::detail::createCPUGenerator(seed), at::kLong);
    }
    const std::int64_t begin = step % per_epoch_ * options_.batch_size;
    const std::int64_t end = std::min(examples_, begin + options_.batch_size);
    const std::int64_t* data = order_.const_data_ptr<std::int64_t>();
    return {data + begin, data + end};
  }

 private:
  std::int64_t examples_;
  const TrainingOptions& options_;
  std::int64_t per_epoch_;
  std::int64_t epoch_ = -1;
  at::Tensor order_;
};

// The moving parts of one run, and what a checkpoint of it holds.
class Run {
 public:
  Run(const BaseModel& base, TrainableAdapter& adapter, const std::vector<TokenizedExample>& validation,
      const TrainingOptions& options, const RunLength& length, std::string identity)
      : base_(base),
        adapter_(adapter),
        validation_(validation),
        options_(options),
        length_(length),
        optimizer_(options, adapter.parameters().values().numel()) {
    state_.identity = std::move(identity);
  }

  std::int64_t step() const { return state_.step; }

  void resume() {
    const std::int64_t size = adapter_.parameters().values().numel();
    std::optional<TrainingCheckpoint> found = read_checkpoint(options_.checkpoint, state_.identity, size);
    if (!found) return;
    state_ = *std::move(found);
    origin_ = ", after step " + std::to_string(state_.step) + " of '" + options_.checkpoint.string() + "'";
    adapter_.parameters().values().copy_(state_.parameters);
    optimizer_.first_moment = state_.first_moment;
    optimizer_.second_moment = state_.second_moment;
    optimizer_.steps = state_.step;
  }

  TrainingStep advance(const std::vector<const TokenizedExample*>& batch) {
    const auto start = std::chrono::steady_clock::now();
    adapter_.begin_step(options_.seed * 6364136223846793005ull + static_cast<std::uint64_t>(state_.step));
    const BatchLoss loss = accumulate_gradients(base_, adapter_, batch, options_);
    const double rate =
        options_.learning_rate * schedule_factor(options_.schedule, state_.step, length_.total,
                                                 length_.warmup, options_.learning_rate);
    FlatParameters& parameters = adapter_.parameters();
    if (!std::isfinite(loss.loss)) refuse_loss(batch, "the loss", state_.step + 1);
    const double norm = optimizer_.step(parameters.values(), parameters.gradients(), rate);
    if (!std::isfinite(norm)) throw diverged("the gradient", state_.step + 1);
    if (state_.step == 0) state_.first_loss = loss.loss;
    ++state_.step;
    state_.tokens += loss.tokens;
    TrainingStep report{.step = state_.step,
                        .total = length_.total,
                        .loss = loss.loss,
                        .learning_rate = rate,
                        .gradient_norm = norm,
                        .tokens = loss.tokens,
                        .validation_loss = {}};
    if (validates_now()) report.validation_loss = validate();
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    state_.seconds += report.seconds;
    return report;
  }

  void save() {
    if (!all_finite(adapter_.parameters().values())) throw diverged("a weight", state_.step);
    state_.parameters = adapter_.parameters().values();
    state_.first_moment = optimizer_.first_moment;
    state_.second_moment = optimizer_.second_moment;
    write_checkpoint(state_, options_.checkpoint);
  }

  RunReport finish(double last_loss, std::optional<double> last_validation) {
    RunReport report{
        state_.step, state_.tokens, state_.seconds, state_.first_loss, last_loss, last_validation, {}};
    if (options_.keep == Keep::kBest && state_.best_parameters.defined()) {
      adapter_.parameters().values().copy_(state_.best_parameters);
      report.validation_loss = state_.best_loss;
      report.best_step = state_.best_step;
    }
    return report;
  }

 private:
  // Throws where the base, or it with `adapter`, gives such numbers for one of the texts by itself.
  void refuse_texts(const std::vector<const TokenizedExample*>& examples,
                    const LinearAdapter* adapter) const {
    for (const TokenizedExample* example : examples) {
      if (gives_finite_numbers(base_, example->ids, adapter)) continue;
      const Error error = not_finite_error(base_, example->ids, adapter);
      const std::string text = base_.tokenizer().decode(
          std::span(example->ids).first(std::min<std::size_t>(example->ids.size(), 12)));
      throw Error(error.kind(), "for the example that begins '" + text + "' " + error.what(), error.hint());
    }
  }

  [[noreturn]] void refuse_loss(const std::vector<const TokenizedExample*>& examples, const std::string& what,
                                std::int64_t step) const {
    refuse_texts(examples, nullptr);
    if (state_.step == 0) refuse_texts(examples, &adapter_);
    throw diverged(what, step);
  }

  // Before the first update of all, the settings that change weights cannot be the reason.
  Error diverged(const std::string& what, std::int64_t step) const {
    if (state_.step == 0) {
      return {ErrorKind::kNotFinite, what + " is not finite at step 1, before any weight was changed",
              "lower lora_alpha, or check the base model's weights"};
    }
    return {ErrorKind::kNotFinite,
            "training diverged at step " + std::to_string(step) + origin_ + ": " + what + " is not finite",
            origin_.empty() ? "lower learning_rate or set max_grad_norm"
                            : "lower learning_rate or set max_grad_norm; or begin anew, without --resume"};
  }

  bool validates_now() const {
    if (validation_.empty()) return false;
    if (state_.step == length_.total) return true;
    const std::int64_t every = options_.evaluate_every > 0    ? options_.evaluate_every
                               : options_.keep == Keep::kBest ? length_.per_epoch
                                                              : 0;
    return every > 0 && state_.step % every == 0;
  }

  double validate() {
    adapter_.set_training(false);
    const double loss = validation_loss(base_, adapter_, validation_, options_.token_budget);
    adapter_.set_training(true);
    if (!std::isfinite(loss)) {
      std::vector<const TokenizedExample*> all;
      for (const TokenizedExample& example : validation_) all.push_back(&example);
      refuse_loss(all, "the validation loss", state_.step);
    }
    if (options_.keep == Keep::kBest && (!state_.best_parameters.defined() || loss < state_.best_loss)) {
      state_.best_parameters = adapter_.parameters().values().clone();
      state_.best_loss = loss;
      state_.best_step = state_.step;
    }
    return loss;
  }

  const BaseModel& base_;
  TrainableAdapter& adapter_;
  const std::vector<TokenizedExample>& validation_;
  const TrainingOptions& options_;
  RunLength length_;
  FlatOptimizer optimizer_;
  TrainingCheckpoint state_;
  std::string origin_;  // how the run goes on from a checkpoint, for messages; empty: it began anew
};

}  // namespace

double training_cost(const TaskDataset& data, const TrainingOptions& options) {
  constexpr std::int64_t kBytesPerToken = 4;
  const std::vector<Example>& examples = data.examples(Split::kTrain);
  if (examples.empty()) return 0;
  double bytes = 0;
  for (const Example& example : examples)
    bytes +=
        static_cast<double>(std::min(static_cast<std::int64_t>(example.source.size() + example.target.size()),
                                     kBytesPerToken * options.max_input_length));
  const auto count = static_cast<std::int64_t>(examples.size());
  const RunLength length = run_length(options, count);
  return bytes * static_cast<double>(length.total) / static_cast<double>(length.per_epoch);
}

RunReport run_training(const BaseModel& base, TrainableAdapter& adapter,
                       const std::vector<TokenizedExample>& train,
                       const std::vector<TokenizedExample>& validation, const TrainingOptions& options,
                       const std::string& identity, const TrainingObserver& observer) {
  const RunLength length = run_length(options, static_cast<std::int64_t>(train.size()));
  if (options.keep == Keep::kBest && validation.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "keep=best needs a validation split, and the data has none");
  }
  Run run(base, adapter, validation, options, length, identity);
  const bool checkpoints = !options.checkpoint.empty();
  if (options.resume && checkpoints) run.resume();
  BatchOrder order(train.size(), options, length);
  double last_loss = 0;
  std::optional<double> last_validation;
  while (run.step() < length.total) {
    if (options.stop.stop_requested()) {
      if (checkpoints) run.save();
      throw Error(ErrorKind::kInterrupted,
                  "interrupted after step " + std::to_string(run.step()) + " of " +
                      std::to_string(length.total) +
                      (checkpoints ? "; kept in " + options.checkpoint.string() : ""),
                  checkpoints ? "--resume goes on from there" : "");
    }
    std::vector<const TokenizedExample*> batch;
    for (const std::int64_t index : order.indices(run.step()))
      batch.push_back(&train[static_cast<std::size_t>(index)]);
    const TrainingStep step = run.advance(batch);
    last_loss = step.loss;
    if (step.validation_loss) last_validation = step.validation_loss;
    if (checkpoints && options.checkpoint_every > 0 && run.step() % options.checkpoint_every == 0 &&
        run.step() < length.total) {
      run.save();
    }
    if (observer) observer(step);
  }
  return run.finish(last_loss, last_validation);
}

}  // namespace quiver
