#include <algorithm>
#include <set>

#include "report/columns.h"
#include "report/html_parts.h"
#include "report/html_text.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxCell = 60;  // characters

// A narrow screen shows the first columns: results come before settings.
std::vector<Column> results_first(std::vector<Column> columns) {
  const std::set<std::string> settings = {"router", "combine", "top-k", "tokens/s"};
  std::stable_partition(columns.begin(), columns.end(),
                        [&](const Column& column) { return !settings.contains(column.heading); });
  return columns;
}

std::string cell(const Column& column, const std::string& text) {
  const char* kind = column.is_number ? "<td class=\"number\">" : "<td>";
  return kind + (text.empty() ? "&ndash;" : html_text(text, kMaxCell)) + "</td>";
}

}  // namespace

std::string html_table(const Results& results) {
  std::vector<Column> columns = columns_of(results);
  columns.push_back(
      {"seconds", "Wall-clock time; models of one call share it for Rouge-L", true, [](const ResultRow& row) {
         const std::string text = std::to_string(row.seconds);
         return text.substr(0, text.find('.') + 2);
       }});
  columns = results_first(std::move(columns));
  std::string head = "<tr>";
  std::string meanings;
  for (const Column& column : columns) {
    head += std::string("<th scope=\"col\"") + (column.is_number ? " class=\"number\">" : ">") +
            html_text(column.heading) + "</th>";
    if (column.meaning.empty()) continue;
    meanings +=
        "<div><dt>" + html_text(column.heading) + "</dt><dd>" + html_text(column.meaning) + "</dd></div>";
  }
  std::string body;
  for (const ResultRow& row : results.rows) {
    body += "<tr><th scope=\"row\">" + html_text(row.name, kMaxCell) + "</th>";
    for (std::size_t i = 1; i < columns.size(); ++i) body += cell(columns[i], columns[i].text(row));
    body += "</tr>\n";
  }
  return scrolling_table("All results", head + "</tr>", body) + "<dl class=\"meanings\">" + meanings +
         "</dl>\n";
}

}  // namespace quiver
