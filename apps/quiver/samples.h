#pragma once

#include <span>
#include <vector>

#include "quiver/dataset.h"
#include "quiver/evaluation.h"
#include "quiver/generation.h"
#include "quiver/report.h"

namespace quiver::program {

// A dozen prompts to look at, spread over the tasks, with what every model made of them; an answer's row is
// the model's index. Long texts are cut.
// With the tokens' experts where they were recorded; `truncation` says what a long prompt lost.
std::vector<Sample> text_samples(const std::vector<Example>& examples, std::span<const RoutedModel> models,
                                 std::span<const Evaluation> evaluations, Truncation truncation);
std::vector<Sample> choice_samples(const std::vector<ChoiceQuestion>& questions,
                                   const std::vector<const Evaluation*>& evaluations);
std::vector<Sample> answer_samples(const std::vector<TextQuestion>& questions,
                                   std::span<const AnswerEvaluation> evaluations);

// A dozen of these, spread over the tasks.
std::vector<Sample> pick_samples(const std::vector<Sample>& samples);

}  // namespace quiver::program
