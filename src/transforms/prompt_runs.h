#pragma once

#include <functional>

#include "core/json.h"
#include "quiver/base_model.h"
#include "quiver/library.h"
#include "quiver/transforms.h"
#include "transforms/prompt_choice.h"

namespace quiver {

// Which prompts one expert is described by, and how they are read.
struct PromptPlan {
  ExpertInfo info;
  BeginOfText bos = BeginOfText::kAuto;
  PromptChoice prompts;
  Json settings;  // of the artefact, what it says of base and prompts

  double cost() const;  // about how much there is to run
};

// Throws Error(kInvalidArgument) for a task with fewer than two training rows or an expert of another base.
PromptPlan plan_prompts(const ExpertLibrary& library, const std::string& name, const BaseModel& base,
                        const TrainingRows& rows, const StatisticsOptions& options);

// Gives the prompts to `run`, in their order, some at a time.
void run_prompts(const BaseModel& base, const PromptPlan& plan,
                 const std::function<void(const RaggedBatch&)>& run);

// An artefact that is made of prompts.
struct PromptArtefact {
  std::string kind;
  // Whether the library has this one already.
  std::function<bool(const PromptPlan&)> is_current;
  std::function<Artefact(const Expert&, const PromptPlan&)> make;
};

// Makes it for every expert, or for those that lack it, several side by side; how many. Throws as
// plan_prompts() and ExpertLibrary.
std::int64_t put_prompt_artefacts(ExpertLibrary& library, std::span<const std::string> experts,
                                  const BaseModel& base, const TaskDataset& data,
                                  const StatisticsOptions& options, Recompute recompute,
                                  const ExpertObserver& observer, const PromptArtefact& artefact);

}  // namespace quiver
