#include <algorithm>
#include <cstdio>

#include "report/columns.h"
#include "report/heat_map.h"
#include "report/html_parts.h"
#include "report/html_text.h"
#include "report/metric_text.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxLabel = 60;  // characters
constexpr std::size_t kColours = 7;    // classes bar0 to bar6 of the style sheet
constexpr double kWidth = 1000;        // of a drawing, in its own units

std::string units(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// One bar from `zero` to `value`, and a line over low..high where there is an interval; all in 0..1 of the
// width.
struct Drawing {
  double zero = 0;
  double value = 0;
  std::optional<std::pair<double, double>> interval = {};
};

std::string drawing(const Drawing& bar) {
  const double left = std::min(bar.zero, bar.value) * kWidth;
  const double right = std::max(bar.zero, bar.value) * kWidth;
  std::string svg =
      "<svg viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect x=\"" +
      units(left) + "\" y=\"2\" width=\"" + units(right - left) + "\" height=\"16\"/>";
  if (bar.interval) {
    const std::string low = units(bar.interval->first * kWidth), high = units(bar.interval->second * kWidth);
    svg += "<path d=\"M" + low + " 10H" + high + "M" + low + " 5V15M" + high + " 5V15\"/>";
  }
  return svg + "</svg>";
}

std::string bar(const ResultRow& row, const Results& results, std::size_t colour, const Drawing& shape,
                const std::string& value) {
  return "<li class=\"bar" + std::to_string(colour) + "\"><span class=\"label\">" +
         html_text(row_title(row, results), kMaxLabel) + "</span>" + drawing(shape) +
         "<span class=\"number\">" + html_text(value) + "</span></li>\n";
}

std::string figure(const std::string& caption, const std::string& bars) {
  return "<figure><figcaption>" + html_text(caption) + "</figcaption><ol class=\"bars\">" + bars +
         "</ol></figure>\n";
}

// Colours by library; the last is for rows without one.
class Colours {
 public:
  explicit Colours(const Results& results) {
    for (const ResultRow& row : results.rows) {
      if (!row.library.empty()) colours_.emplace(row.library, colours_.size() % (kColours - 1));
    }
  }
  std::size_t of(const ResultRow& row) const {
    return row.library.empty() ? kColours - 1 : colours_.at(row.library);
  }

 private:
  std::map<std::string, std::size_t> colours_;
};

std::string values(const Results& results, const std::string& metric, const Colours& colours) {
  double top = 0;
  for (const ResultRow& row : results.rows) {
    if (row.metric == metric) top = std::max(top, row.value);
  }
  std::string bars;
  for (const ResultRow& row : results.rows) {
    if (row.metric != metric) continue;
    bars += bar(row, results, colours.of(row), {.value = top > 0 ? row.value / top : 0},
                metric_value_text(metric, row.value));
  }
  return figure(metric_title(metric) + (metric == "rougeL" ? " (0 to 100)" : " (0 to 1)"), bars);
}

std::string shares(const Results& results, const std::string& metric, const Colours& colours) {
  double low = 0, high = 1;
  for (const ResultRow& row : results.rows) {
    if (row.metric != metric || !row.share_of_oracle) continue;
    low = std::min(low, row.share_of_oracle->low);
    high = std::max(high, row.share_of_oracle->high);
  }
  const auto place = [&](double value) { return (value - low) / (high - low); };
  std::string bars;
  for (const ResultRow& row : results.rows) {
    if (row.metric != metric || !row.share_of_oracle) continue;
    const OracleShare& share = *row.share_of_oracle;
    bars += bar(row, results, colours.of(row),
                {place(0), place(share.value), std::pair{place(share.low), place(share.high)}},
                percent_text(share.value));
  }
  if (bars.empty()) return "";
  return figure("Share of the oracle's gain, " + metric_title(metric) + " (95% interval)", bars);
}

}  // namespace

std::string html_bars(const Results& results) {
  const Colours colours(results);
  std::vector<std::string> metrics;
  for (const ResultRow& row : results.rows) {
    if (std::find(metrics.begin(), metrics.end(), row.metric) == metrics.end()) metrics.push_back(row.metric);
  }
  std::string html;
  for (const std::string& metric : metrics)
    html += values(results, metric, colours) + shares(results, metric, colours);
  return html.empty() ? "" : "<div class=\"figures\">" + html + "</div>\n";
}

}  // namespace quiver
