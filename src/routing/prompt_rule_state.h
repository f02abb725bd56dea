#pragma once

#include "routing/foreignness.h"
#include "routing/prompt_rule.h"
#include "routing/prompt_sample.h"
#include "routing/ridge.h"

namespace quiver {

struct PromptRule::State {
  PromptRuleOptions options;
  PromptSample sample;
  PromptSums sums;  // undefined after restore()
  LinearRule rule;  // that scores the tasks
  RidgeRule ridge;  // that knows foreign prompts; of kRidge, `rule` is its own
  ForeignnessScale foreign;
  at::Tensor leverages;  // (N) of each row without itself, in order; undefined after restore()
  double temperature = 1;

  static PromptRule fit(PromptSample sample, PromptSums sums, const PromptRuleOptions& options);
  // At unit length, (n, D) float64. Throws for another width or numbers that are not finite.
  at::Tensor checked_rows(const at::Tensor& rows) const;
};

}  // namespace quiver
