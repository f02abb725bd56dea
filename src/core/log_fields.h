#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/log.h"

namespace quiver {

// A name with a number or a text.
using LogField = std::pair<std::string, std::variant<double, std::string>>;

// As log(), with fields: ` name=value` behind the message, or keys of the JSON object.
void log(LogLevel level, const std::string& message, const std::vector<LogField>& fields);

}  // namespace quiver
