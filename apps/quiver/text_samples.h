#pragma once

#include <span>
#include <vector>

#include "quiver/dataset.h"
#include "quiver/evaluation.h"
#include "quiver/report.h"

namespace quiver::program {

// A dozen examples to look at, spread over the tasks, with the continuation of every model; the evaluation at
// index i belongs to row i of the results. Long texts are cut.
std::vector<Sample> text_samples(const std::vector<Example>& examples,
                                 std::span<const Evaluation> evaluations);

}  // namespace quiver::program
