#pragma once

#include <ATen/ATen.h>

#include <map>
#include <vector>

#include "routing/prompt_rule.h"

// Rows to learn from, for the tests of prompt rules.
namespace quiver::test {

constexpr std::int64_t kLayer = 2;

inline PromptRuleOptions options(PromptRuleKind kind = PromptRuleKind::kRidge) {
  return {.kind = kind, .layer = kLayer};
}

// `per_task` rows of each task around the task's own centre, at several lengths.
inline PromptRows random_rows(std::int64_t per_task, std::int64_t width, std::vector<std::size_t> owners,
                              int seed) {
  at::manual_seed(seed);
  const auto tasks = static_cast<std::int64_t>(owners.size());
  const at::Tensor of = at::arange(tasks, at::kLong).repeat_interleave(per_task);
  const at::Tensor centres = at::randn({tasks, width}), common = at::randn({1, width});
  const at::Tensor lengths = at::rand({tasks * per_task, 1}) + 0.5;
  const at::Tensor rows =
      (common + centres.index_select(0, of) + at::randn({tasks * per_task, width})) * lengths;
  PromptRows result{.features = {{kLayer, rows}}, .tasks = {}, .owners = std::move(owners), .names = {}};
  for (std::int64_t i = 0; i < of.size(0); ++i) result.tasks.push_back(of[i].item<std::int64_t>());
  return result;
}

// Two experts, at right angles in four dimensions, with 20 rows each that differ a little.
inline PromptRule two_experts(PromptRuleOptions chosen) {
  at::manual_seed(10);
  at::Tensor rows = at::randn({40, 4}) * 0.02;
  rows.narrow(0, 0, 20).select(1, 0).add_(1);
  rows.narrow(0, 20, 20).select(1, 1).add_(1);
  PromptRows all{.features = {{kLayer, rows}}, .tasks = {}, .owners = {0, 1}, .names = {}};
  for (std::int64_t i = 0; i < 40; ++i) all.tasks.push_back(i / 20);
  return PromptRule::fit(all, 2, chosen);
}

inline std::map<std::int64_t, at::Tensor> prompt(std::vector<float> numbers) {
  return {{kLayer, at::tensor(numbers)}, {kLayer + 1, at::tensor({1.0f})}};
}

}  // namespace quiver::test
