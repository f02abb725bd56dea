#include "eval/evaluated_model.h"

#include "eval/require_done.h"

namespace quiver {
EvaluatedModel::EvaluatedModel(const RoutedModel& model, OwnExpert own)
    : model_(model),
      // Those that never use more than one expert have none, or are told which: what routers are measured
      // against.
      leaves_out_(own == OwnExpert::kLeftOut && router_info(model.router()).combines),
      experts_(model.expert_names()) {}

std::optional<std::size_t> EvaluatedModel::left_out(const std::string& task) const {
  return leaves_out_ ? model_.expert_of_task(task) : std::nullopt;
}

const RoutedModel& EvaluatedModel::for_task(const std::string& task) {
  const std::optional<std::size_t> expert = left_out(task);
  if (!expert) return model_;
  const auto found = parts_.find(*expert);
  if (found != parts_.end()) return found->second.model;
  if (experts_.size() == 1) {
    throw Error(ErrorKind::kInvalidArgument,
                "'" + experts_[0] + "' is the only expert: without it nothing is left for its own task '" +
                    task + "'",
                "leaving out a task's own expert needs at least two");
  }
  try {
    RoutedModel others = model_.without_expert(experts_[*expert]);
    std::vector<std::string> names = others.expert_names();
    return parts_.emplace(*expert, Part{std::move(others), std::move(names)}).first->second.model;
  } catch (const Error& error) {
    throw error_of(error, "task '" + task + "' without its own expert '" + experts_[*expert] + "'");
  }
}

void EvaluatedModel::record(const std::string& task, const std::vector<double>& expert_weights) {
  if (expert_weights.empty()) return;
  const std::optional<std::size_t> without = left_out(task);
  const std::vector<std::string>& names = without ? parts_.at(*without).experts : experts_;
  const std::optional<std::size_t> own = without ? std::nullopt : model_.expert_of_task(task);
  routing_.add({.task = task,
                .own_expert = own ? std::optional(names[*own]) : std::nullopt,
                .experts = names,
                .weights = expert_weights});
}

std::vector<std::int32_t> EvaluatedModel::whole_places(const std::string& task,
                                                       std::vector<std::int32_t> experts) const {
  const std::optional<std::size_t> without = left_out(task);
  if (!without) return experts;
  for (std::int32_t& expert : experts) {
    if (expert >= static_cast<std::int32_t>(*without)) ++expert;
  }
  return experts;
}

}  // namespace quiver
