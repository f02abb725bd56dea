#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "routing/prompt_rule.h"

namespace quiver {

// What becomes of prompts that a rule calls foreign, when two more layers have seen them. A known task in
// other words is unlike its own prompts at any one layer; but it stays in the rows' subspace at a low layer
// and at a deep one, and all layers name the same expert. So the prompt belongs after all if
//   min(r_low, r_deep) is not among the smallest 5% of the rows' own, with r the leverage_rank, and
//   some expert's likeness, the mean over the three layers, is at least 0.4,
// and then log p_e is the three layers' mean, of sum 1 again.
//
// Both numbers were found with prompts of SmolLM2-135M (docs/results.md). Immutable and thread-safe.
class SecondLook {
 public:
  // Rules that were fitted to the same rows of two layers. Throws Error(kInvalidArgument) for rules of other
  // experts or rows.
  static SecondLook fit(PromptRule low, PromptRule deep);

  // `first` is the rule that called the prompt foreign; `features` as for PromptRule::decide(), of all three
  // layers. With options().abstains false the prompt is never foreign.
  PromptDecision decide(const PromptRule& first, const std::map<std::int64_t, at::Tensor>& features) const;

  std::vector<std::int64_t> layers() const;
  std::size_t experts() const { return low_.experts(); }
  std::int64_t width() const { return low_.width(); }

  // As of PromptRule; the rules' own begin with "low." and "deep.".
  std::map<std::string, at::Tensor> tensors() const;
  static SecondLook restore(const std::map<std::string, at::Tensor>& tensors, const PromptRuleOptions& low,
                            const PromptRuleOptions& deep);
  SecondLook without(std::size_t expert) const;

 private:
  SecondLook(PromptRule low, PromptRule deep, double least_rank)
      : low_(std::move(low)), deep_(std::move(deep)), least_rank_(least_rank) {}

  PromptRule low_, deep_;
  double least_rank_;
};

}  // namespace quiver
