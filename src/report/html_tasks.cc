#include <algorithm>
#include <set>

#include "report/heat_map.h"
#include "report/html_parts.h"
#include "report/html_text.h"
#include "report/metric_text.h"
#include "report/row_json.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxLabel = 40;  // characters

std::string cell(const ResultRow& row, const std::string& task) {
  const auto found = row.per_task.find(task);
  if (found == row.per_task.end()) return "<td class=\"number\">&ndash;</td>";
  return "<td class=\"number " + shade_class(found->second / metric_top(row.metric)) + "\">" +
         metric_value_text(row.metric, found->second) + "</td>";
}

// Tasks down, models across.
std::string table_of(const Results& results, const std::string& metric) {
  std::set<std::string> tasks;
  std::string head = "<tr><td></td>";
  for (const ResultRow& row : results.rows) {
    if (row.metric != metric || row.per_task.empty()) continue;
    for (const auto& [task, value] : row.per_task) tasks.insert(task);
    head += "<th scope=\"col\" class=\"tall\"><span>" + html_text(row_title(row, results), kMaxLabel) +
            "</span></th>";
  }
  std::string body;
  for (const std::string& task : tasks) {
    body += "<tr><th scope=\"row\">" + html_text(task, kMaxLabel) + "</th>";
    for (const ResultRow& row : results.rows) {
      if (row.metric == metric && !row.per_task.empty()) body += cell(row, task);
    }
    body += "</tr>\n";
  }
  if (tasks.size() < 2) return "";  // the bars say it
  return "<figure class=\"heat\"><figcaption>" + html_text(metric_title(metric)) + "</figcaption>" +
         scrolling_table(metric_title(metric) + " of every task", head + "</tr>", body) + "</figure>\n";
}

}  // namespace

std::string html_tasks(const Results& results) {
  std::vector<std::string> metrics;
  for (const ResultRow& row : results.rows) {
    if (std::find(metrics.begin(), metrics.end(), row.metric) == metrics.end()) metrics.push_back(row.metric);
  }
  std::string html;
  for (const std::string& metric : metrics) html += table_of(results, metric);
  return html;
}

}  // namespace quiver
