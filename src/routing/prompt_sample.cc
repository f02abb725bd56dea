#include "routing/prompt_sample.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <sstream>

namespace quiver {
namespace {

constexpr std::int64_t kRowsPerChunk = 4096;

[[noreturn]] void refuse(const std::string& what, std::string hint = {}) {
  throw Error(ErrorKind::kInvalidArgument, what, std::move(hint));
}

std::string shape_text(const at::Tensor& tensor) {
  std::ostringstream out;
  out << tensor.sizes();
  return out.str();
}

std::string task_text(const std::vector<std::string>& names, std::int64_t task) {
  const auto index = static_cast<std::size_t>(task);
  return index < names.size() ? "'" + names[index] + "'" : std::to_string(task);
}

void check_names(const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      refuse("task '" + name + "' belongs to two experts of one library",
             "leave one of them out: two experts of one task cannot be told apart by the prompt");
    }
  }
}

at::Tensor checked_features(const PromptRows& rows, std::int64_t layer) {
  const auto found = rows.features.find(layer);
  if (found == rows.features.end() || !found->second.defined()) {
    refuse("there are no hidden states of layer " + std::to_string(layer),
           "compute them: quiver prototypes statistics LIBRARY -c FILE");
  }
  const at::Tensor& features = found->second;
  const auto count = static_cast<std::int64_t>(rows.tasks.size());
  if (features.dim() != 2 || !features.is_floating_point() || features.size(1) == 0 ||
      features.size(0) != count) {
    refuse("hidden states " + shape_text(features) + " of layer " + std::to_string(layer) +
           " are not those of " + std::to_string(count) + " prompts");
  }
  return features.to(at::kCPU, at::kFloat).contiguous();
}

void check_owners(const PromptRows& rows, std::size_t experts) {
  std::vector<char> served(experts, 0);
  for (const std::size_t owner : rows.owners) {
    if (owner >= experts) {
      refuse("a task belongs to expert " + std::to_string(owner) + " of " + std::to_string(experts));
    }
    served[owner] = 1;
  }
  const auto idle = std::find(served.begin(), served.end(), 0);
  if (idle == served.end()) return;
  refuse("expert " + std::to_string(idle - served.begin()) + " has no prompts to know its tasks by",
         "compute them: quiver prototypes statistics LIBRARY -c FILE");
}

void check_task_counts(const PromptRows& rows) {
  std::vector<std::int64_t> counts(rows.owners.size(), 0);
  for (const std::int64_t task : rows.tasks) {
    if (task < 0 || task >= static_cast<std::int64_t>(counts.size())) {
      refuse("a prompt is of task " + std::to_string(task) + " of " + std::to_string(counts.size()));
    }
    ++counts[static_cast<std::size_t>(task)];
  }
  for (std::size_t task = 0; task < counts.size(); ++task) {
    if (counts[task] >= 2) continue;
    refuse("task " + task_text(rows.names, static_cast<std::int64_t>(task)) + " of expert " +
               std::to_string(rows.owners[task]) + " has " + std::to_string(counts[task]) +
               (counts[task] == 1 ? " prompt" : " prompts") + "; it needs at least two",
           "compute more: quiver prototypes statistics LIBRARY -c FILE --rows N --recompute");
  }
}

void check_finite(const PromptSample& sample) {
  const at::Tensor length = at::linalg_vector_norm(sample.rows, 2, {1}, false, at::kDouble);
  const at::Tensor good = at::logical_and(length.isfinite(), length > 0).contiguous();
  for (std::int64_t row = 0; row < good.size(0); ++row) {
    if (good.data_ptr<bool>()[row]) continue;
    refuse("the hidden states of prompt " + std::to_string(row) + ", of task " +
           task_text(sample.names, sample.tasks.data_ptr<std::int64_t>()[row]) +
           ", are all zeros or hold a number that is not finite");
  }
}

// The rows of the tasks that `keep` (C) bool tells, tasks and experts renumbered in order.
PromptSample select_tasks(const PromptSample& sample, const at::Tensor& keep) {
  const at::Tensor rows = at::nonzero(keep.index_select(0, sample.tasks)).squeeze(1);
  const at::Tensor tasks = at::nonzero(keep).squeeze(1);
  const at::Tensor owners = sample.owners.index_select(0, tasks);
  at::Tensor experts = at::zeros({sample.experts}, at::kLong);
  experts.index_fill_(0, owners, 1);
  std::vector<std::string> names;
  for (std::int64_t task = 0; task < sample.task_count() && !sample.names.empty(); ++task) {
    if (keep[task].item<bool>()) names.push_back(sample.names[static_cast<std::size_t>(task)]);
  }
  return {.rows = sample.rows.index_select(0, rows),
          .tasks = (keep.to(at::kLong).cumsum(0) - 1).index_select(0, sample.tasks.index_select(0, rows)),
          .owners = (experts.cumsum(0) - 1).index_select(0, owners),
          .names = std::move(names),
          .experts = experts.sum().item<std::int64_t>()};
}

}  // namespace

at::Tensor unit_rows(const at::Tensor& rows) {
  const at::Tensor x = rows.to(at::kCPU, at::kDouble);
  const at::Tensor length = at::linalg_vector_norm(x, 2, {1}, /*keepdim=*/true);
  if (!at::logical_and(length.isfinite(), length > 0).all().item<bool>()) {
    throw Error(ErrorKind::kNotFinite,
                "the hidden states of a prompt are all zeros or hold a number that is not finite");
  }
  return x / length;
}

void PromptSample::visit_chunks(
    const std::function<void(const at::Tensor& x, const at::Tensor& tasks)>& visit) const {
  for (std::int64_t begin = 0; begin < count(); begin += kRowsPerChunk) {
    const std::int64_t size = std::min(kRowsPerChunk, count() - begin);
    visit(unit_rows(rows.narrow(0, begin, size)), tasks.narrow(0, begin, size));
  }
}

void check_choice(std::size_t experts, const PromptRuleOptions& options) {
  if (experts < 2) {
    refuse(std::to_string(experts) + (experts == 1 ? " expert" : " experts") +
               "; choosing by the prompt needs at least two",
           experts == 1 ? "with one expert use --router expert:NAME" : "");
  }
  if (!(options.quantile > 0 && options.quantile <= 1)) {
    std::ostringstream value;
    value << options.quantile;
    refuse("quantile " + value.str() + " is not above 0 and at most 1");
  }
}

PromptSample check_sample(const PromptRows& rows, std::size_t experts, std::int64_t layer) {
  if (!rows.names.empty() && rows.names.size() != rows.owners.size()) {
    refuse(std::to_string(rows.names.size()) + " names of " + std::to_string(rows.owners.size()) + " tasks");
  }
  check_names(rows.names);
  check_owners(rows, experts);
  check_task_counts(rows);
  PromptSample sample{
      .rows = checked_features(rows, layer),
      .tasks = at::tensor(rows.tasks, at::kLong),
      .owners = at::tensor(std::vector<std::int64_t>(rows.owners.begin(), rows.owners.end()), at::kLong),
      .names = rows.names,
      .experts = static_cast<std::int64_t>(experts)};
  check_finite(sample);
  return sample;
}

std::int64_t PromptSums::count() const { return static_cast<std::int64_t>(counts.sum().item<double>()); }

PromptSums sum_rows(const PromptSample& sample, Products products) {
  const std::int64_t tasks = sample.task_count(), width = sample.width();
  PromptSums sums{.totals = at::zeros({tasks, width}, at::kDouble),
                  .counts = at::bincount(sample.tasks, {}, tasks).to(at::kDouble),
                  .products = {}};
  if (products == Products::kYes) sums.products = at::zeros({width, width}, at::kDouble);
  sample.visit_chunks([&](const at::Tensor& x, const at::Tensor& of) {
    sums.totals.index_add_(0, of, x);
    if (sums.products.defined()) sums.products.addmm_(x.t(), x);
  });
  return sums;
}

std::pair<PromptSample, PromptSample> split_expert(const PromptSample& sample, std::int64_t expert) {
  const at::Tensor kept = sample.owners != expert;
  return {select_tasks(sample, kept), select_tasks(sample, kept.logical_not())};
}

PromptSample join_samples(const PromptSample& sample, const PromptSample& more) {
  if (sample.width() != more.width()) {
    refuse("hidden states of " + std::to_string(more.width()) + " numbers do not fit those of " +
           std::to_string(sample.width()));
  }
  PromptSample joined{.rows = at::cat({sample.rows, more.rows}),
                      .tasks = at::cat({sample.tasks, more.tasks + sample.task_count()}),
                      .owners = at::cat({sample.owners, more.owners + sample.experts}),
                      .names = {},
                      .experts = sample.experts + more.experts};
  if (!sample.names.empty() && !more.names.empty()) {
    joined.names = sample.names;
    joined.names.insert(joined.names.end(), more.names.begin(), more.names.end());
    check_names(joined.names);
  }
  return joined;
}

PromptSums join_sums(const PromptSums& sums, const PromptSums& more) {
  const bool products = sums.products.defined() && more.products.defined();
  return {.totals = at::cat({sums.totals, more.totals}),
          .counts = at::cat({sums.counts, more.counts}),
          .products = products ? sums.products + more.products : at::Tensor()};
}

PromptSums split_sums(const PromptSums& sums, const PromptSums& split, const at::Tensor& kept) {
  const bool products = sums.products.defined() && split.products.defined();
  return {.totals = sums.totals.index({kept}),
          .counts = sums.counts.index({kept}),
          .products = products ? sums.products - split.products : at::Tensor()};
}

}  // namespace quiver
