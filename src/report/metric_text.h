#pragma once

#include <string>

namespace quiver {

// A value as tables and charts print it: "41.7" for Rouge-L, which runs to 100, "0.417" for an accuracy.
std::string metric_value_text(const std::string& metric, double value);

// What a chart calls the metric, e.g. "Rouge-L"; the metric's own name where it is unknown.
std::string metric_title(const std::string& metric);

}  // namespace quiver
