#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
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

// Throws Error(kInvalidArgument) for fewer than two experts and a quantile outside (0, 1].
void check_choice(std::size_t experts, const PromptRuleOptions& options);

// Throws as PromptRule::fit() for the rows; takes one expert too.
PromptSample check_sample(const PromptRows& rows, std::size_t experts, std::int64_t layer);

// Sums over a sample's rows at unit length. Adding or taking away an expert's rows adds or subtracts its own.
struct PromptSums {
  at::Tensor totals;    // (C, D) float64, sum of each task's rows
  at::Tensor counts;    // (C) float64
  at::Tensor products;  // (D, D) float64, X^T X; undefined where it was not asked for

  std::int64_t count() const;
};
enum class Products { kNo, kYes };
PromptSums sum_rows(const PromptSample& sample, Products products);

// The sample without an expert's rows and tasks, the rest renumbered in order, and what was taken away.
std::pair<PromptSample, PromptSample> split_expert(const PromptSample& sample, std::int64_t expert);

// Both, with the tasks and experts of `more` after those of `sample`. Throws Error(kInvalidArgument) for
// another width and for a name that both have.
PromptSample join_samples(const PromptSample& sample, const PromptSample& more);

// The sums of two samples joined, and those of a sample from which the rows of `split` were taken away: the
// tasks that `kept` (C) bool leaves. Products are absent unless both have them.
PromptSums join_sums(const PromptSums& sums, const PromptSums& more);
PromptSums split_sums(const PromptSums& sums, const PromptSums& split, const at::Tensor& kept);

}  // namespace quiver
