#include "report/heat_map.h"

#include <algorithm>
#include <set>

#include "report/columns.h"
#include "report/display_text.h"

namespace quiver {
namespace {

constexpr double kVisible = 5e-4;  // a share of weight that is worth a column

std::set<std::string> heaviest(const std::map<std::string, double>& totals, std::size_t count) {
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [expert, total] : totals) order.emplace_back(-total, expert);
  std::sort(order.begin(), order.end());
  std::set<std::string> experts;
  for (std::size_t i = 0; i < std::min(count, order.size()); ++i) experts.insert(order[i].second);
  return experts;
}

std::string subtitle_of(const RoutingMeasures& routing) {
  std::string text;
  if (routing.accuracy) text += "right expert " + percent_text(*routing.accuracy) + " of the prompts, ";
  return text + "abstained " + percent_text(routing.abstained);
}

HeatMap map_of(const RoutingMeasures& routing, std::size_t max_experts) {
  std::map<std::string, double> totals;
  for (const auto& [task, weights] : routing.weights) {
    for (const auto& [expert, weight] : weights) totals[expert] += weight;
  }
  const std::set<std::string> shown = heaviest(totals, max_experts);
  HeatMap map;
  map.subtitle = subtitle_of(routing);
  map.columns.assign(shown.begin(), shown.end());
  const std::size_t others = map.columns.size(), base = others + 1;
  std::vector<double> most(base + 1);
  for (const auto& [task, weights] : routing.weights) {
    map.tasks.push_back(task);
    std::vector<double>& row = map.weights.emplace_back(base + 1);
    double rest = 1;
    for (const auto& [expert, weight] : weights) {
      const auto at = std::lower_bound(map.columns.begin(), map.columns.end(), expert);
      row[shown.contains(expert) ? static_cast<std::size_t>(at - map.columns.begin()) : others] += weight;
      rest -= weight;
    }
    row[base] = std::max(0.0, rest);
    for (std::size_t i = 0; i <= base; ++i) most[i] = std::max(most[i], row[i]);
  }
  map.columns.push_back(std::to_string(totals.size() - shown.size()) + " others");
  map.columns.emplace_back("base alone");
  for (const std::size_t column : {base, others}) {
    if (most[column] >= kVisible) continue;
    map.columns.erase(map.columns.begin() + static_cast<std::ptrdiff_t>(column));
    for (std::vector<double>& row : map.weights) row.erase(row.begin() + static_cast<std::ptrdiff_t>(column));
  }
  return map;
}

}  // namespace

std::string row_title(const ResultRow& row, const Results& results) {
  std::set<std::string> libraries;
  for (const ResultRow& other : results.rows) {
    if (!other.library.empty()) libraries.insert(other.library);
  }
  const std::string library = short_name(row.library);
  if (libraries.size() < 2 || library.empty() || row.name.ends_with("_" + library)) return row.name;
  return row.name + " on " + library;
}

std::vector<HeatMap> heat_maps(const Results& results, std::size_t max_experts) {
  std::vector<HeatMap> maps;
  std::vector<const ResultRow*> drawn;
  for (const ResultRow& row : results.rows) {
    if (!row.routing || row.routing->weights.empty()) continue;
    const bool known = std::any_of(drawn.begin(), drawn.end(), [&](const ResultRow* other) {
      return other->name == row.name && other->library == row.library &&
             other->routing->weights == row.routing->weights;
    });
    if (known) continue;
    drawn.push_back(&row);
    maps.push_back(map_of(*row.routing, max_experts));
    maps.back().title = row_title(row, results);
  }
  return maps;
}

}  // namespace quiver
