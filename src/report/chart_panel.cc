#include "report/chart_panel.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "report/display_text.h"

namespace quiver {
namespace {

constexpr double kPageMargin = 20;
constexpr double kAxisRoom = 78;  // tick values and the axis title
constexpr double kPlotHeight = 320;
constexpr double kMinWidth = 1200;
constexpr double kMinSlot = 48;      // a printed value must fit above its bar
constexpr double kGroupGap = 0.5;    // between two libraries, in bar units
constexpr double kEndRoom = 0.7;     // from the axis to the first and last bar's centre
constexpr double kLabelOffset = 10;  // from the axis down to the labels

double text_width(const std::string& text) {
  return static_cast<double>(character_count(text)) * kCharacterWidth;
}

double longest_label(const Panel& panel) {
  double longest = 0;
  for (const Bar& bar : panel.bars) longest = std::max(longest, text_width(bar.label));
  return longest;
}

void place_bars(const Panel& panel, PanelLayout& layout) {
  double x = 0;
  for (std::size_t i = 0; i < panel.bars.size(); ++i) {
    if (i > 0) x += panel.bars[i].library == panel.bars[i - 1].library ? 1 : 1 + kGroupGap;
    layout.bar_x.push_back(x);
  }
  layout.x_min = -kEndRoom;
  layout.x_max = x + kEndRoom;
}

// Entries stand in rows; returns the height of all rows.
double place_legend(const Panel& panel, double top, double right, PanelLayout& layout) {
  double x = layout.left;
  double y = top + kLineHeight / 2;
  for (const LegendEntry& entry : panel.legend) {
    const double needed = kLegendBox + 8 + text_width(entry.label);
    if (x > layout.left && x + needed > right) {
      x = layout.left;
      y += kLineHeight;
    }
    layout.legend_at.emplace_back(x, y);
    x += needed + 24;
  }
  return y + kLineHeight / 2 - top;
}

}  // namespace

double picture_width(const std::vector<Panel>& panels) {
  double width = kMinWidth;
  for (const Panel& panel : panels) {
    const auto gaps = static_cast<double>(panel.legend.size() - 1);
    const double slots = static_cast<double>(panel.bars.size()) + kGroupGap * gaps + 2 * kEndRoom;
    const double labels = std::max(kAxisRoom, longest_label(panel));
    // The printed width stays at 1200 up to two dozen bars; slots are then a little narrower.
    if (panel.bars.size() > 24) width = std::max(width, slots * kMinSlot + labels + 2 * kPageMargin);
  }
  return std::ceil(width);
}

PanelLayout lay_out(const Panel& panel, double width) {
  PanelLayout layout;
  place_bars(panel, layout);
  const double units = layout.x_max - layout.x_min;
  const double longest = longest_label(panel);
  layout.left = kPageMargin + kAxisRoom;
  layout.right = width - kPageMargin;
  layout.rotate_labels = longest + kCharacterWidth > (layout.right - layout.left) / units;

  double label_height = kLineHeight;
  if (layout.rotate_labels) {
    const double angle = kLabelAngle * std::numbers::pi / 180;
    label_height += longest * std::sin(angle);
    // A turned label ends under its bar and begins to the left of it, perhaps left of the axis.
    for (std::size_t i = 0; i < panel.bars.size(); ++i) {
      const double slot = (layout.right - layout.left) / units;
      const double room = (layout.bar_x[i] - layout.x_min) * slot;
      const double reach = text_width(panel.bars[i].label) * std::cos(angle) - room;
      layout.left = std::max(layout.left, kPageMargin + reach);
    }
  }
  layout.top = 16 + 2 * kLineHeight;  // title and subtitle
  layout.top += place_legend(panel, layout.top, layout.right, layout) + 6;
  layout.bottom = layout.top + kPlotHeight;
  layout.height = layout.bottom + kLabelOffset + label_height + 10;
  return layout;
}

}  // namespace quiver
