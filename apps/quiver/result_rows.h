#pragma once

#include <string>
#include <vector>

#include "quiver/evaluation.h"
#include "quiver/report.h"
#include "quiver/routed_model.h"

namespace quiver::program {

// An evaluation as a row of results.json. `library` is the label of the library, "" for the base alone; it
// ends the row's name when `suffix` is not empty.
ResultRow result_row(const RoutedModel& model, const Evaluation& evaluation, const std::string& library,
                     const std::string& suffix = {});

// A row with the scores that its value is the mean of; none for a mean over tasks.
struct ScoredRow {
  ResultRow row;
  std::vector<double> scores;
};

// The rows in their order, each router's with its share of the oracle where the base and the oracle of the
// same library are among them. Rows of one metric are over the same examples.
std::vector<ResultRow> with_oracle_shares(const std::vector<ScoredRow>& rows);

// Writes results.json to `out`, or prints it and, on stderr, the table.
void report_results(const Results& results, const std::string& out);

}  // namespace quiver::program
