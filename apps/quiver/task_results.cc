#include "task_results.h"

#include <algorithm>
#include <set>

#include "result_rows.h"
#include "samples.h"

namespace quiver::program {
namespace {

constexpr char kMean[] = "mean";

}  // namespace

TaskResults::TaskResults(const std::vector<RoutedModel>& models, std::string library)
    : models_(models), library_(std::move(library)), entries_(models.size()) {}

void TaskResults::add(std::size_t index, const TaskDefinition& task, const std::vector<Evaluation>& metrics) {
  for (const Evaluation& evaluation : metrics)
    entries_[index].push_back({task.name, evaluation.metric == task.main_metric, evaluation});
}

void TaskResults::add(const TaskDefinition& task, const std::vector<Sample>& samples) {
  for (const Sample& sample : samples) samples_.emplace_back(task.main_metric, sample);
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
    sum.routing.add(part.routing);
    sum.scores.insert(sum.scores.end(), part.scores.begin(), part.scores.end());
    sum.per_task.insert(part.per_task.begin(), part.per_task.end());
  }
  sum.value /= static_cast<double>(sum.n);
  return sum;
}

Evaluation TaskResults::mean(const std::vector<Entry>& entries) const {
  Evaluation mean;
  mean.metric = kMean;
  for (const Entry& entry : entries) {
    if (!entry.is_main) continue;
    const Evaluation& evaluation = entry.evaluation;
    mean.per_task[entry.task] = evaluation.value;
    mean.value += evaluation.value;
    mean.n += evaluation.n;
    mean.seconds += evaluation.seconds;
    mean.tokens += evaluation.tokens;
  }
  mean.value /= static_cast<double>(mean.per_task.size());
  return mean;
}

std::vector<TaskResults::Place> TaskResults::places(bool complete) const {
  std::vector<Place> places;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    std::set<std::string> tasks;
    for (const Entry& entry : entries_[i]) {
      tasks.insert(entry.task);
      const Place place = {i, entry.evaluation.metric};
      if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
    }
    if (complete && tasks.size() > 1) places.push_back({i, kMean});
  }
  return places;
}

std::vector<ResultRow> TaskResults::rows(bool complete) const {
  std::vector<ScoredRow> rows;
  for (const Place& place : places(complete)) {
    const std::vector<Entry>& entries = entries_[place.model];
    const Evaluation all = place.metric == kMean ? mean(entries) : pooled(entries, place.metric);
    rows.push_back({result_row(models_[place.model], all, library_), all.scores});
  }
  return with_oracle_shares(rows);
}

std::vector<Sample> TaskResults::samples(bool complete) const {
  const std::vector<Place> order = places(complete);
  std::vector<Sample> samples;
  for (const auto& [metric, sample] : samples_) {
    samples.push_back(sample);
    for (SampleAnswer& answer : samples.back().answers) {
      const auto place = std::find(order.begin(), order.end(), Place{answer.row, metric});
      answer.row = static_cast<std::size_t>(place - order.begin());
    }
  }
  return pick_samples(samples);
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
