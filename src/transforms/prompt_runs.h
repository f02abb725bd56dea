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

}  // namespace quiver
