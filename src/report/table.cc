#include <algorithm>
#include <array>
#include <cstdio>

#include "quiver/report.h"
#include "report/display_text.h"
#include "report/metric_text.h"

namespace quiver {
namespace {

constexpr std::size_t kColumns = 10;
using Line = std::array<std::string, kColumns>;

const Line kHeading = {"name",   "library", "router", "combine",   "top-k",
                       "metric", "n",       "value",  "task mean", "tokens/s"};
// Text stands left, numbers right.
constexpr std::array<bool, kColumns> kRight = {false, false, false, false, true,
                                               false, true,  true,  true,  true};

Line line_of(const ResultRow& row, std::size_t width) {
  const auto text = [width](const std::string& value) {
    return value.empty() ? "-" : display_text(value, width);
  };
  const std::optional<double> mean = task_mean(row);
  char rate[32] = "-";
  if (row.seconds > 0)
    std::snprintf(rate, sizeof rate, "%.1f", static_cast<double>(row.tokens) / row.seconds);
  return {text(row.name),
          text(row.library),
          text(row.router),
          text(row.combine),
          row.top_k > 0 ? std::to_string(row.top_k) : "-",
          text(row.metric),
          std::to_string(row.n),
          metric_value_text(row.metric, row.value),
          mean ? metric_value_text(row.metric, *mean) : "-",
          rate};
}

}  // namespace

std::string format_table(const Results& results, const TableOptions& options) {
  std::vector<Line> lines = {kHeading};
  const std::size_t width = std::max<std::size_t>(4, options.max_column_width);
  for (const ResultRow& row : results.rows) lines.push_back(line_of(row, width));

  std::array<std::size_t, kColumns> widths{};
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], character_count(line[i]));
  }
  Line rule;
  for (std::size_t i = 0; i < kColumns; ++i) rule[i].assign(widths[i], '-');
  lines.insert(lines.begin() + 1, rule);

  std::string table;
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      const std::string padding(widths[i] - character_count(line[i]), ' ');
      table += kRight[i] ? padding + line[i] : line[i] + padding;
      table += i + 1 < kColumns ? "  " : "\n";
    }
  }
  return table;
}

}  // namespace quiver
