#include "report/columns.h"

#include <algorithm>
#include <cstdio>

#include "report/metric_text.h"

namespace quiver {
namespace {

std::string decimals(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string interval_text(const ResultRow& row) {
  if (!row.share_of_oracle) return "";
  return decimals("%.1f", 100 * row.share_of_oracle->low) + " to " +
         decimals("%.1f", 100 * row.share_of_oracle->high);
}

// What a router's measures say, "" without them.
Column routing_column(const char* heading, const char* meaning,
                      std::string (*text)(const RoutingMeasures& routing)) {
  return {heading, meaning, true,
          [text](const ResultRow& row) { return row.routing ? text(*row.routing) : std::string(); }};
}

std::vector<Column> plain_columns() {
  return {{"name", "", false, [](const ResultRow& row) { return row.name; }},
          {"library", "", false, [](const ResultRow& row) { return row.library; }},
          {"router", "", false, [](const ResultRow& row) { return row.router; }},
          {"combine", "Whether the experts' outputs or their parameters are mixed", false,
           [](const ResultRow& row) { return row.combine; }},
          {"top-k", "Experts that take part in a decision", true,
           [](const ResultRow& row) { return row.top_k > 0 ? std::to_string(row.top_k) : ""; }},
          {"metric", "", false, [](const ResultRow& row) { return row.metric; }},
          {"n", "Examples", true, [](const ResultRow& row) { return std::to_string(row.n); }},
          {"value", "Mean over the examples", true,
           [](const ResultRow& row) { return metric_value_text(row.metric, row.value); }},
          {"task mean", "Mean over the tasks, each of the same weight", true, [](const ResultRow& row) {
             const std::optional<double> mean = task_mean(row);
             return mean ? metric_value_text(row.metric, *mean) : "";
           }}};
}

std::vector<Column> measure_columns() {
  return {
      {"of oracle", "(router - base) / (oracle - base)", true,
       [](const ResultRow& row) {
         return row.share_of_oracle ? percent_text(row.share_of_oracle->value) : "";
       }},
      {"95% interval", "Bootstrap over the prompts, in percent", true, interval_text},
      routing_column("accuracy", "Share of prompts whose heaviest expert is the one of their task",
                     [](const RoutingMeasures& r) { return r.accuracy ? percent_text(*r.accuracy) : ""; }),
      routing_column(
          "expert p", "Mean weight of the expert of the prompt's task",
          [](const RoutingMeasures& r) { return r.expert_p ? decimals("%.3f", *r.expert_p) : ""; }),
      routing_column("entropy", "Of a prompt's weights, in nats: 0 for one expert alone",
                     [](const RoutingMeasures& r) { return r.entropy ? decimals("%.2f", *r.entropy) : ""; }),
      routing_column("abstained", "Share of prompts that the base alone answered",
                     [](const RoutingMeasures& r) { return percent_text(r.abstained); })};
}

}  // namespace

std::string percent_text(double share) { return decimals("%.1f", 100 * share) + "%"; }

std::vector<Column> columns_of(const Results& results) {
  std::vector<Column> columns = plain_columns();
  for (Column& column : measure_columns()) {
    const bool shows = std::any_of(results.rows.begin(), results.rows.end(),
                                   [&](const ResultRow& row) { return !column.text(row).empty(); });
    if (shows) columns.push_back(std::move(column));
  }
  columns.push_back({"tokens/s", "", true, [](const ResultRow& row) {
                       return row.seconds > 0
                                  ? decimals("%.1f", static_cast<double>(row.tokens) / row.seconds)
                                  : "";
                     }});
  return columns;
}

}  // namespace quiver
