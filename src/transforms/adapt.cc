#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/json.h"
#include "core/strings.h"
#include "quiver/adaptation.h"
#include "tensor/finite.h"
#include "train/expert_mixture.h"
#include "train/loop.h"
#include "train/training_examples.h"
#include "transforms/evolution_search.h"
#include "transforms/merge_tensors.h"
#include "transforms/merged_info.h"

namespace quiver {
namespace {

constexpr char kGradient[] = "gradient", kLoraHub[] = "lorahub";
constexpr double kLoraHubBound = 1.5, kLoraHubPenalty = 0.05;

std::vector<double> values_of(const at::Tensor& weights) {
  const at::Tensor values = weights.detach().to(at::kDouble).contiguous();
  const double* data = values.const_data_ptr<double>();
  return {data, data + values.numel()};
}

at::Tensor tensor_of(const std::vector<double>& values) {
  return at::tensor(std::vector<float>(values.begin(), values.end()));
}

// The rows that weights are learned on.
struct Shots {
  const BaseModel& base;
  std::vector<TokenizedExample> examples;
  std::int64_t token_budget;

  // As a validation loss.
  double loss(const ExpertMixture& mixture, const std::vector<double>& weights) const {
    return validation_loss(base, WeightedExperts(mixture, tensor_of(weights)), examples, token_budget);
  }
};

std::vector<double> weights_by_gradient(const Shots& shots, const ExpertMixture& mixture,
                                        const TrainingOptions& options, const TrainingObserver& observer) {
  TrainingOptions plain = options;
  plain.checkpoint.clear();
  MixtureTrainer trainer(mixture);
  run_training(shots.base, trainer, shots.examples, {}, plain, "", observer);
  return values_of(trainer.weights());
}

std::vector<double> weights_by_search(const Shots& shots, const ExpertMixture& mixture,
                                      const AdaptOptions& options, const TrainingObserver& observer) {
  std::int64_t done = 0;
  const auto value = [&](const std::vector<double>& weights) {
    if (options.training.stop.stop_requested()) {
      throw Error(ErrorKind::kInterrupted, "interrupted after evaluation " + std::to_string(done) + " of " +
                                               std::to_string(options.evaluations));
    }
    ++done;
    double sum = 0;
    for (const double weight : weights) sum += std::abs(weight);
    return shots.loss(mixture, weights) + kLoraHubPenalty * sum / static_cast<double>(weights.size());
  };
  const auto tell = [&](std::int64_t number, double best) {
    if (observer)
      observer({.step = number, .total = options.evaluations, .loss = best, .validation_loss = {}});
  };
  return evolution_search(value,
                          {.dimensions = mixture.experts(),
                           .bound = kLoraHubBound,
                           .evaluations = options.evaluations,
                           .seed = options.training.seed},
                          tell)
      .point;
}

// The experts with their weights as one, and how many ranks that takes.
std::map<std::string, LoraWeights> joined(const std::vector<Expert>& experts,
                                          const std::vector<double>& weights, std::int64_t rank) {
  std::map<std::string, std::vector<std::pair<LoraWeights, double>>> members;
  for (std::size_t e = 0; e < experts.size(); ++e) {
    for (const auto& [path, lora] : experts[e].modules) members[path].emplace_back(lora, weights[e]);
  }
  std::map<std::string, LoraWeights> modules;
  for (const auto& [path, list] : members) modules[path] = cut_to_rank(concatenate(list), rank);
  return modules;
}

Json record_of(const AdaptOptions& options, const std::vector<Expert>& experts,
               const std::vector<double>& weights, std::size_t shots) {
  std::vector<std::string> names;
  for (const Expert& expert : experts) names.push_back(expert.info.name);
  Json record = {{"method", adapt_method_name(options.method)},
                 {"experts", names},
                 {"weights", weights},
                 {"shots", shots},
                 {"seed", options.training.seed}};
  if (options.method == AdaptMethod::kGradient) {
    record["n_steps"] = options.training.total_steps;
    record["learning_rate"] = options.training.learning_rate;
    record["batch_size"] = options.training.batch_size;
  } else {
    record["evaluations"] = options.evaluations;
  }
  if (options.rank > 0) record["rank"] = options.rank;
  return record;
}

void require_finite(double loss, const std::string& of) {
  if (std::isfinite(loss)) return;
  throw Error(ErrorKind::kNotFinite, "the loss of " + of + " on the rows is not finite");
}

}  // namespace

std::string adapt_method_name(AdaptMethod method) {
  return method == AdaptMethod::kGradient ? kGradient : kLoraHub;
}

AdaptMethod parse_adapt_method(const std::string& text) {
  if (text == kGradient) return AdaptMethod::kGradient;
  if (text == kLoraHub) return AdaptMethod::kLoraHub;
  const std::vector<std::string> names = {kGradient, kLoraHub};
  throw Error(ErrorKind::kInvalidArgument, "unknown method '" + text + "'; methods are " + join(names, ", "),
              did_you_mean(text, names));
}

TrainingOptions default_adaptation_options() {
  TrainingOptions options;
  options.total_steps = 50;
  options.learning_rate = 0.3;
  options.weight_decay = 0;
  options.clip_norm = 1;
  options.warmup_steps = 0;
  options.warmup_proportion = 0;
  return options;
}

Expert adapt_experts(const ExpertLibrary& library, const BaseModel& base, const TaskDataset& data,
                     const AdaptOptions& options, const std::string& name, const TrainingObserver& observer) {
  if (options.evaluations < 1)
    throw Error(ErrorKind::kInvalidArgument,
                "evaluations must be at least 1, not " + std::to_string(options.evaluations));
  if (options.rank < 0)
    throw Error(ErrorKind::kInvalidArgument, "rank " + std::to_string(options.rank) + " is negative");
  MergedInfo merged_info;
  std::vector<Expert> experts;
  for (const std::string& expert : options.experts.empty() ? library.names() : options.experts) {
    experts.push_back(library.load(expert));
    check_base(experts.back().info, base.fingerprint(), base.name());
    merged_info.add_without_tasks(experts.back());
  }
  if (experts.empty())
    throw Error(ErrorKind::kInvalidArgument, "library " + library.uri() + " has no expert to adapt");

  TrainingOptions training = options.training;
  if (training.bos == BeginOfText::kAuto) training.bos = merged_info.beginning();
  const Shots shots{base, tokenize_training_split(base, data, training, name), training.token_budget};
  const ExpertMixture mixture(base, experts);
  const double base_loss = shots.loss(mixture, std::vector<double>(experts.size()));
  require_finite(base_loss, "the base model alone");
  const std::vector<double> weights = options.method == AdaptMethod::kGradient
                                          ? weights_by_gradient(shots, mixture, training, observer)
                                          : weights_by_search(shots, mixture, options, observer);
  const at::NoGradGuard no_gradients;
  Expert result;
  result.modules = joined(experts, weights, options.rank);
  result.info = merged_info.finish(name, result.modules,
                                   {{"adapt", record_of(options, experts, weights, shots.examples.size())}});
  result.info.tasks = data.task_names();
  result.info.base_model = base.name();
  result.info.base_fingerprint = base.fingerprint();
  if (options.training.bos != BeginOfText::kAuto)
    result.info.training["bos"] = begin_of_text_name(options.training.bos);
  result.decoder = base.shape().decoder;
  // Of what is returned, which a rank may have cut.
  const double loss = shots.loss(ExpertMixture(base, std::span(&result, 1)), {1});
  require_finite(loss, "the adapted expert");
  result.info.metrics = {{"base_loss", base_loss}, {"loss", loss}};
  return result;
}

}  // namespace quiver
