#pragma once

#include "quiver/measures.h"
#include "report/json_checker.h"

namespace quiver {

// The `routing` of a row of results.json, and back; `checker` names the row in errors.
Json routing_to_json(const RoutingMeasures& routing);
RoutingMeasures routing_from_json(const Json& object, const JsonChecker& checker);

// Shares and weights within 0 and 1, no task with more weight than there is.
void check_routing(const RoutingMeasures& routing, const JsonChecker& checker);

}  // namespace quiver
