#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace quiver {

// An expert's part in a decision.
struct ExpertShare {
  std::size_t expert = 0;
  double weight = 0;
};

// Which experts serve a sequence.
struct SequenceDecision {
  std::vector<ExpertShare> shares;             // empty: none, the base alone
  bool is_foreign = false;                     // no expert fits the prompt: the router's fallback decides
  bool is_unsure = false;                      // look_again() knows better
  std::vector<double> log_probabilities = {};  // by expert, where the rule gives them
  // By slot, where slots have shares of their own; `shares` are their mean.
  std::map<std::int64_t, std::vector<ExpertShare>> slot_shares = {};
};

// What a rule has to be given of a sequence.
struct SequenceNeeds {
  bool task = false;                      // its name
  std::vector<std::int64_t> layers = {};  // hidden states of the base that enter these layers
  std::vector<std::int64_t> slots = {};   // what the base gives to these slots
};

struct SequenceInput {
  std::string task = {};
  std::map<std::int64_t, at::Tensor> states = {};       // by layer: (T, D) float32
  std::map<std::int64_t, at::Tensor> slot_inputs = {};  // by slot: (T, in) float32
};

// Decides for whole sequences. Immutable, thread-safe.
class SequenceRule {
 public:
  virtual ~SequenceRule() = default;

  virtual SequenceNeeds needs() const { return {}; }
  virtual SequenceDecision decide(const SequenceInput& input) const = 0;

  // Decides a sequence anew that decide() was unsure of, from what second_needs() names.
  virtual SequenceNeeds second_needs() const { return {}; }
  virtual SequenceDecision look_again(const SequenceInput& input) const { return decide(input); }

  // What it was fitted to, from which it is restored to the bit; empty where the experts alone say it.
  virtual std::map<std::string, at::Tensor> tensors() const { return {}; }
  // The rule of the same experts without one, those behind it a number lower. Null: made anew from them.
  virtual std::shared_ptr<const SequenceRule> without(std::size_t /*expert*/) const { return nullptr; }
};

// The same shares for every sequence.
class ConstantRule : public SequenceRule {
 public:
  explicit ConstantRule(std::vector<ExpertShare> shares) : shares_(std::move(shares)) {}
  SequenceDecision decide(const SequenceInput&) const override { return {.shares = shares_}; }

 private:
  std::vector<ExpertShare> shares_;
};

}  // namespace quiver
