#pragma once

#include <map>
#include <string>
#include <vector>

#include "quiver/evaluation.h"
#include "quiver/report.h"
#include "quiver/task.h"

namespace quiver::program {

// What several tasks came to, as rows of results.json.
class TaskResults {
 public:
  TaskResults(const std::vector<RoutedModel>& models, std::string library);

  // One task's metrics for the model at `index`.
  void add(std::size_t index, const TaskDefinition& task, const std::vector<Evaluation>& metrics);

  // Samples of one task, whose answers' rows are the models' indices; for its main metric.
  void add(const TaskDefinition& task, const std::vector<Sample>& samples);

  // Model by model one row a metric, pooled over the examples of all tasks; with several tasks and `complete`
  // one more, "mean": every task's main metric, and the unweighted mean of these.
  std::vector<ResultRow> rows(bool complete) const;
  // A dozen samples over all tasks, with the indices of these rows.
  std::vector<Sample> samples(bool complete) const;

  // Rows for a table for people: one for each model, task and metric, named after the task.
  std::vector<ResultRow> rows_by_task() const;

 private:
  struct Entry {
    std::string task;
    bool is_main = false;
    Evaluation evaluation;
  };
  // What a row is about, in the order of rows().
  struct Place {
    std::size_t model = 0;
    std::string metric;
    friend bool operator==(const Place&, const Place&) = default;
  };
  std::vector<Place> places(bool complete) const;
  Evaluation mean(const std::vector<Entry>& entries) const;
  Evaluation pooled(const std::vector<Entry>& entries, const std::string& metric) const;

  const std::vector<RoutedModel>& models_;
  std::string library_;
  std::vector<std::vector<Entry>> entries_;              // by model
  std::vector<std::pair<std::string, Sample>> samples_;  // with the task's main metric
};

}  // namespace quiver::program
