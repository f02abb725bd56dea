#pragma once

#include <map>
#include <string>
#include <vector>

#include "quiver/evaluation.h"

namespace quiver {

// What one model serves the prompts of each task with: itself, or itself without the task's own expert, which
// is made once for each expert. Keeps account of the routing.
class EvaluatedModel {
 public:
  // Borrows the model.
  EvaluatedModel(const RoutedModel& model, OwnExpert own);

  // Throws what RoutedModel::without_expert() throws, naming the task.
  const RoutedModel& for_task(const std::string& task);

  // Counts what Generation says of a prompt of `task`; nothing where no routing was recorded.
  void record(const std::string& task, const std::vector<double>& expert_weights);
  const RoutingTally& routing() const { return routing_; }

  // Experts of for_task(task) as places in the whole model's expert_names(); -1 stays.
  std::vector<std::int32_t> whole_places(const std::string& task, std::vector<std::int32_t> experts) const;

 private:
  struct Part {
    RoutedModel model;
    std::vector<std::string> experts;
  };
  // The expert that is left out for a task; nothing where the whole model serves it.
  std::optional<std::size_t> left_out(const std::string& task) const;

  const RoutedModel& model_;
  bool leaves_out_;
  std::vector<std::string> experts_;   // of the whole model
  std::map<std::size_t, Part> parts_;  // by the expert left out
  RoutingTally routing_;
};

}  // namespace quiver
