#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace quiver {

// How much of what the experts can do a router brings: (router - base) / (oracle - base) of the mean scores,
// with a 95% interval. Below 0 where the router is worse than the base, above 1 where it beats the oracle.
struct OracleShare {
  double value = 0;
  double low = 0;
  double high = 0;
};

// The share of three score lists over the same prompts in the same order. The interval is the percentile
// bootstrap over prompts (Efron and Tibshirani 1993, ch. 13): 1000 draws of as many prompts with replacement,
// the same prompts for all three lists, from std::mt19937 with seed 42, so that equal scores give equal
// intervals on every machine. Nothing where the oracle is not better than the base in every draw: the share
// of a gain that is not there has no meaning. Throws Error(kInvalidArgument) for lists of different lengths
// and for scores that are not finite.
std::optional<OracleShare> share_of_oracle(std::span<const double> router, std::span<const double> base,
                                           std::span<const double> oracle);

// Where a router sent the prompts of an evaluation. A prompt's weights are means over its tokens and over the
// adapted layers.
struct RoutingMeasures {
  // Share of prompts whose heaviest expert is the one of the prompt's task (of k equally heavy ones each
  // counts 1/k), and the mean weight of that expert; over the prompts whose task has an expert, those that no
  // expert served among them. Nothing where no task has one.
  std::optional<double> accuracy = {};
  std::optional<double> expert_p = {};
  // Entropy of a prompt's weights in nats, mean over the prompts that an expert served: 0 for one expert
  // alone, ln E for E equal weights. Nothing where no expert served any.
  std::optional<double> entropy = {};
  double abstained = 0;  // share of prompts that the base alone answered
  // Task, then expert: mean weight over the task's prompts. Experts without any are left out; what a task's
  // weights lack to 1 went to the base.
  std::map<std::string, std::map<std::string, double>> weights = {};
};

// One prompt as it was routed; views, which live as long as the call.
struct RoutedPrompt {
  const std::string& task;
  std::optional<std::string> own_expert;  // the expert of the task; nothing where it has none
  std::span<const std::string> experts;   // names
  std::span<const double> weights;        // (E); their sum is 1, or 0 where the base alone answered
};

// Adds up what RoutingMeasures are means of. A value.
class RoutingTally {
 public:
  // Throws Error(kInvalidArgument) where the lists differ in length or the weights are no share of 1.
  void add(const RoutedPrompt& prompt);
  // Adds the prompts of another tally.
  void add(const RoutingTally& other);
  bool empty() const { return tasks_.empty(); }
  RoutingMeasures measures() const;

 private:
  struct Task {
    std::int64_t prompts = 0;
    std::map<std::string, double> weights;  // expert to sum
  };
  std::int64_t prompts_ = 0;
  std::int64_t served_ = 0;
  std::int64_t with_expert_ = 0;
  double right_ = 0;
  double own_weight_ = 0;
  double entropy_ = 0;
  std::map<std::string, Task> tasks_;
};

}  // namespace quiver
