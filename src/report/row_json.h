#pragma once

#include "quiver/report.h"
#include "report/json_checker.h"

namespace quiver {

// A row of results.json, and back; `checker` names it in errors. Both refuse a row that breaks a rule stated
// at ResultRow.
Json row_to_json(const ResultRow& row, const JsonChecker& checker);
ResultRow row_from_json(const Json& object, const JsonChecker& checker);

// The range of a metric: 0 to this.
double metric_top(const std::string& metric);

}  // namespace quiver
