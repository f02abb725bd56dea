#pragma once

#include <string>

#include "quiver/evaluation.h"
#include "quiver/report.h"
#include "quiver/routed_model.h"

namespace quiver::program {

// An evaluation as a row of results.json. `library` is the label of the library, "" for the base alone; it
// ends the row's name when `suffix` is not empty.
ResultRow result_row(const RoutedModel& model, const Evaluation& evaluation, const std::string& library,
                     const std::string& suffix = {});

// Writes results.json to `out`, or prints it and, on stderr, the table.
void report_results(const Results& results, const std::string& out);

}  // namespace quiver::program
