#include "quiver/error.h"
#include "quiver/experiment.h"

namespace quiver {

TaskDataset load_dataset(const ExperimentConfig& config) {
  if (!config.dataset) {
    throw Error(ErrorKind::kInvalidArgument, "the config names no 'dataset'",
                "add it, or give -k dataset=FILE");
  }
  TaskDataset data = TaskDataset::load({.path = *config.dataset,
                                        .tasks = config.finetune_task_name,
                                        .tasks_file = config.task_sets_file,
                                        .include_task_source = config.include_task_source,
                                        .include_template_type = config.include_template_type,
                                        .remove_phi_eval_tasks = config.remove_phi_eval_tasks});
  data.subsample(Split::kTrain, config.subsample_train, config.subsample_per_task);
  data.subsample(Split::kValidation, config.subsample_dev, config.subsample_per_task);
  data.subsample(Split::kTest, config.subsample_test, config.subsample_per_task);
  return data;
}

std::vector<ExpertPlan> plan_experts(const ExperimentConfig& config, const TaskDataset& data, Joint joint) {
  std::vector<ExpertPlan> plans;
  for (const auto& [name, tasks] : config.task_sets) plans.push_back({name, tasks});
  if (plans.empty()) {
    for (const std::string& task : data.task_names()) plans.push_back({task, {task}});
  }
  if (joint == Joint::kYes) {
    ExpertPlan all{config.expert_name.value_or("joint"), {}};
    for (const ExpertPlan& plan : plans)
      all.tasks.insert(all.tasks.end(), plan.tasks.begin(), plan.tasks.end());
    return {all};
  }
  if (config.expert_name) {
    if (plans.size() != 1) {
      throw Error(ErrorKind::kInvalidArgument,
                  "expert_name '" + *config.expert_name + "' names one expert, but " +
                      std::to_string(plans.size()) + " would be trained",
                  "train one on all tasks together (--joint), or leave expert_name out");
    }
    plans[0].name = *config.expert_name;
  }
  return plans;
}

}  // namespace quiver
