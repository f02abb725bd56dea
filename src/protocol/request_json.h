#pragma once

#include <string_view>

#include "core/ordered_json.h"

namespace quiver {

// The JSON object that a request's body holds, in the order of the body. Throws ApiError 400 for anything
// else: no object, no UTF-8, a name twice in an object, a number that no double holds, nesting deeper than
// 100.
OrderedJson parse_request(std::string_view body);

}  // namespace quiver
