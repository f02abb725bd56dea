#include "task_results.h"

#include <algorithm>

#include "result_rows.h"

namespace quiver::program {

TaskResults::TaskResults(const std::vector<RoutedModel>& models, std::string library)
    : models_(models), library_(std::move(library)), entries_(models.size()) {}

void TaskResults::add(std::size_t index, const TaskDefinition& task, const std::vector<Evaluation>& metrics) {
  for (const Evaluation& evaluation : metrics)
    entries_[index].push_back({task.name, evaluation.metric == task.main_metric, evaluation});
}

Evaluation TaskResults::pooled(const std::vector<Entry>& entries, const std::string& metric) const {
  Evaluation sum;
  sum.metric = metric;
  for (const Entry& entry : entries) {
    const Evaluation& part = entry.evaluation;
    if (part.metric != metric) continue;
    sum.value += part.value * static_cast<double>(part.n);
    sum.n += part.n;
    sum.seconds += part.seconds;
    sum.tokens += part.tokens;
    sum.scores.insert(sum.scores.end(), part.scores.begin(), part.scores.end());
    sum.per_task.insert(part.per_task.begin(), part.per_task.end());
  }
  sum.value /= static_cast<double>(sum.n);
  return sum;
}

std::vector<ResultRow> TaskResults::rows(bool complete) const {
  std::vector<ScoredRow> rows;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    std::vector<std::string> metrics;
    Evaluation mean;
    mean.metric = "mean";
    for (const Entry& entry : entries_[i]) {
      const Evaluation& evaluation = entry.evaluation;
      if (std::find(metrics.begin(), metrics.end(), evaluation.metric) == metrics.end())
        metrics.push_back(evaluation.metric);
      if (!entry.is_main) continue;
      mean.per_task[entry.task] = evaluation.value;
      mean.value += evaluation.value;
      mean.n += evaluation.n;
      mean.seconds += evaluation.seconds;
      mean.tokens += evaluation.tokens;
    }
    for (const std::string& metric : metrics) {
      const Evaluation all = pooled(entries_[i], metric);
      rows.push_back({result_row(models_[i], all, library_), all.scores});
    }
    if (!complete || mean.per_task.size() < 2) continue;
    mean.value /= static_cast<double>(mean.per_task.size());
    rows.push_back({result_row(models_[i], mean, library_), {}});
  }
  return with_oracle_shares(rows);
}

std::vector<ResultRow> TaskResults::rows_by_task() const {
  std::vector<ResultRow> rows;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    for (const Entry& entry : entries_[i]) {
      rows.push_back(result_row(models_[i], entry.evaluation, library_));
      rows.back().name = entry.task;
    }
  }
  return rows;
}

}  // namespace quiver::program
