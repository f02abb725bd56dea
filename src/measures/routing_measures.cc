#include <algorithm>
#include <cmath>

#include "quiver/error.h"
#include "quiver/measures.h"

namespace quiver {
namespace {

constexpr double kRounding = 1e-4;  // weights are means of float32

void check(const RoutedPrompt& prompt) {
  if (prompt.experts.size() != prompt.weights.size()) {
    throw Error(ErrorKind::kInvalidArgument, std::to_string(prompt.weights.size()) + " routing weights for " +
                                                 std::to_string(prompt.experts.size()) + " experts");
  }
  double sum = 0;
  for (const double weight : prompt.weights) {
    if (!(weight >= 0 && weight <= 1 + kRounding))
      throw Error(ErrorKind::kInvalidArgument, "a routing weight is " + std::to_string(weight));
    sum += weight;
  }
  if (sum > 1 + kRounding)
    throw Error(ErrorKind::kInvalidArgument, "the routing weights of a prompt sum to " + std::to_string(sum));
}

double entropy(std::span<const double> weights) {
  double sum = 0;
  for (const double weight : weights) {
    if (weight > 0) sum -= weight * std::log(weight);
  }
  return std::max(0.0, sum);
}

}  // namespace

void RoutingTally::add(const RoutedPrompt& prompt) {
  check(prompt);
  ++prompts_;
  Task& task = tasks_[prompt.task];
  ++task.prompts;
  const double heaviest =
      prompt.weights.empty() ? 0 : *std::max_element(prompt.weights.begin(), prompt.weights.end());
  if (prompt.own_expert) ++with_expert_;
  if (!(heaviest > 0)) return;
  ++served_;
  entropy_ += entropy(prompt.weights);
  const auto ties = std::count(prompt.weights.begin(), prompt.weights.end(), heaviest);
  for (std::size_t e = 0; e < prompt.experts.size(); ++e) {
    const double weight = prompt.weights[e];
    if (weight > 0) task.weights[prompt.experts[e]] += weight;
    if (prompt.own_expert != prompt.experts[e]) continue;
    own_weight_ += weight;
    if (weight == heaviest) right_ += 1 / static_cast<double>(ties);
  }
}

void RoutingTally::add(const RoutingTally& other) {
  prompts_ += other.prompts_;
  served_ += other.served_;
  with_expert_ += other.with_expert_;
  right_ += other.right_;
  own_weight_ += other.own_weight_;
  entropy_ += other.entropy_;
  for (const auto& [name, theirs] : other.tasks_) {
    Task& task = tasks_[name];
    task.prompts += theirs.prompts;
    for (const auto& [expert, weight] : theirs.weights) task.weights[expert] += weight;
  }
}

RoutingMeasures RoutingTally::measures() const {
  const auto mean = [](double sum, std::int64_t count) { return sum / static_cast<double>(count); };
  RoutingMeasures measures;
  if (with_expert_ > 0) {
    measures.accuracy = mean(right_, with_expert_);
    measures.expert_p = std::min(1.0, mean(own_weight_, with_expert_));
  }
  if (served_ > 0) measures.entropy = mean(entropy_, served_);
  if (prompts_ > 0) measures.abstained = mean(static_cast<double>(prompts_ - served_), prompts_);
  for (const auto& [name, task] : tasks_) {
    std::map<std::string, double>& weights = measures.weights[name];
    for (const auto& [expert, sum] : task.weights) weights[expert] = std::min(1.0, mean(sum, task.prompts));
  }
  return measures;
}

}  // namespace quiver
