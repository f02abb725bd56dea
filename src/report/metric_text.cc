#include "report/metric_text.h"

#include <cstdio>

namespace quiver {

std::string metric_value_text(const std::string& metric, double value) {
  char text[32];
  std::snprintf(text, sizeof text, metric == "rougeL" ? "%.1f" : "%.3f", value);
  return text;
}

std::string metric_title(const std::string& metric) {
  if (metric == "rougeL") return "Rouge-L";
  if (metric == "acc") return "Accuracy";
  if (metric == "acc_norm") return "Accuracy, length-normalized";
  if (metric == "mttl") return "Accuracy, mttl scoring";
  if (metric == "exact_match") return "Exact match";
  if (metric == "mean") return "Mean of the tasks' main metrics";
  return metric;
}

}  // namespace quiver
