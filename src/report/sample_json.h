#pragma once

#include "quiver/report.h"
#include "report/json_checker.h"

namespace quiver {

// A sample of results.json, and back, with the rows that its answers belong to; `checker` names it in errors.
// Both refuse an answer of a row that is not there and a score outside the row's metric.
Json sample_to_json(const Sample& sample, const std::vector<ResultRow>& rows, const JsonChecker& checker);
Sample sample_from_json(const Json& object, const std::vector<ResultRow>& rows, const JsonChecker& checker);

}  // namespace quiver
