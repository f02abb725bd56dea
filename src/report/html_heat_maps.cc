#include <algorithm>
#include <cmath>

#include "report/heat_map.h"
#include "report/html_parts.h"
#include "report/html_text.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxExperts = 64;  // columns of a map
constexpr std::size_t kMaxLabel = 40;    // characters

std::string map_table(const HeatMap& map) {
  std::string head = "<tr><td></td>";
  for (const std::string& column : map.columns)
    head += "<th scope=\"col\" class=\"tall\"><span>" + html_text(column, kMaxLabel) + "</span></th>";
  std::string body;
  for (std::size_t t = 0; t < map.tasks.size(); ++t) {
    body += "<tr><th scope=\"row\">" + html_text(map.tasks[t], kMaxLabel) + "</th>";
    for (const double weight : map.weights[t])
      body +=
          "<td class=\"" + shade_class(weight) + "\">" + std::to_string(std::lround(100 * weight)) + "</td>";
    body += "</tr>\n";
  }
  return scrolling_table("Routing weights of " + map.title, head + "</tr>", body);
}

}  // namespace

std::string shade_class(double share) {
  return "shade" + std::to_string(std::lround(10 * std::clamp(share, 0.0, 1.0)));
}

std::string html_heat_maps(const Results& results) {
  std::string html;
  for (const HeatMap& map : heat_maps(results, kMaxExperts)) {
    html += "<figure class=\"heat\"><figcaption>" + html_text(map.title, 60) + "<small>" +
            html_text(map.subtitle) + "</small></figcaption>" + map_table(map) + "</figure>\n";
  }
  return html.empty() ? "" : "<div class=\"figures\">" + html + "</div>\n";
}

}  // namespace quiver
