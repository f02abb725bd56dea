#include <algorithm>

#include "quiver/report.h"
#include "report/columns.h"
#include "report/display_text.h"

namespace quiver {

std::string format_table(const Results& results, const TableOptions& options) {
  const std::vector<Column> columns = columns_of(results);
  const std::size_t width = std::max<std::size_t>(4, options.max_column_width);
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns) lines[0].push_back(column.heading);
  for (const ResultRow& row : results.rows) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const Column& column : columns) {
      const std::string text = column.text(row);
      line.push_back(text.empty() ? "-" : display_text(text, width));
    }
  }

  std::vector<std::string> rule;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t widest = 0;
    for (const std::vector<std::string>& line : lines) widest = std::max(widest, character_count(line[i]));
    rule.emplace_back(widest, '-');
  }
  lines.insert(lines.begin() + 1, rule);

  std::string table;
  for (const std::vector<std::string>& line : lines) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string padding(rule[i].size() - character_count(line[i]), ' ');
      table += columns[i].is_number ? padding + line[i] : line[i] + padding;
      table += i + 1 < columns.size() ? "  " : "\n";
    }
  }
  return table;
}

}  // namespace quiver
