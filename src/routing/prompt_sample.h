#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "routing/prompt_rule.h"

namespace quiver {

// The rows a prompt rule learns from, checked, of the one layer that it reads.
struct PromptSample {
  at::Tensor rows;                 // (N, D) float32, as the base gave them
  at::Tensor tasks;                // (N) int64
  at::Tensor owners;               // (C) int64, expert of each task
  std::vector<std::string> names;  // (C), for messages
  std::int64_t experts = 0;

  std::int64_t count() const { return rows.size(0); }
  std::int64_t width() const { return rows.size(1); }
  std::int64_t task_count() const { return owners.size(0); }

  // Calls `visit` with rows at unit length, (n, D) float64, and their tasks, (n) int64: a few thousand at a
  // time, in order, so that float64 never holds them all.
  void visit_chunks(const std::function<void(const at::Tensor& x, const at::Tensor& tasks)>& visit) const;
};

// Rows at unit length, (n, D) float64. Throws Error(kNotFinite) for a row whose length is zero or not finite.
at::Tensor unit_rows(const at::Tensor& rows);

// Throws as PromptRule::fit().
PromptSample check_sample(const PromptRows& rows, std::size_t experts, const PromptRuleOptions& options);

// Sums over a sample's rows at unit length. Adding or taking away an expert's rows adds or subtracts its own.
struct PromptSums {
  at::Tensor totals;    // (C, D) float64, sum of each task's rows
  at::Tensor counts;    // (C) float64
  at::Tensor products;  // (D, D) float64, X^T X; undefined where it was not asked for

  std::int64_t count() const;
};
enum class Products { kNo, kYes };
PromptSums sum_rows(const PromptSample& sample, Products products);

// The sample's rows of the tasks that `keep` (C) bool tells, tasks and experts renumbered in order.
PromptSample select_tasks(const PromptSample& sample, const at::Tensor& keep);

// Both, with the tasks and experts of `more` after those of `sample`. Throws Error(kInvalidArgument) for
// another width and for a name that both have.
PromptSample join_samples(const PromptSample& sample, const PromptSample& more);

}  // namespace quiver
