#pragma once

#include <string>
#include <utility>
#include <vector>

namespace quiver {

// One bar of a panel, ready to draw.
struct Bar {
  std::string label;
  double value = 0;
  std::string value_label;
  std::size_t library = 0;  // index into Panel::legend
};

struct LegendEntry {
  std::string label;
  std::string colour;  // "#RRGGBB"
};

// One bar chart. Bars of one library stand together.
struct Panel {
  std::string title;
  std::string subtitle;
  std::string axis;
  std::vector<Bar> bars;            // at least one
  std::vector<LegendEntry> legend;  // in the order of the groups
};

// Where the parts of a panel go, in pixels; x from the left of the picture, y from the top of the panel.
struct PanelLayout {
  double left = 0;    // of the axes
  double right = 0;   // of the axes
  double top = 0;     // of the axes
  double bottom = 0;  // of the axes
  double height = 0;  // of the panel
  bool rotate_labels = false;
  std::vector<double> bar_x;                         // centres, in bar units
  double x_min = 0;                                  // range of the x axis, in bar units
  double x_max = 0;                                  //
  std::vector<std::pair<double, double>> legend_at;  // left end and middle of each entry
};

// Sizes that the layout and the script must agree on, in pixels and points. The width of a text is not known
// before it is drawn; kCharacterWidth is that of a wide sans-serif font, so that estimates err to the safe
// side.
inline constexpr double kFontPoints = 12;
inline constexpr double kCharacterWidth = 8.6;
inline constexpr double kLineHeight = 24;
inline constexpr double kTitleY = 26;  // middles, from the top of the panel
inline constexpr double kSubtitleY = 50;
inline constexpr double kLegendBox = 14;
inline constexpr double kLabelAngle = 35;  // degrees

// The width of a picture that has room for the fullest of `panels`.
double picture_width(const std::vector<Panel>& panels);

PanelLayout lay_out(const Panel& panel, double width);

}  // namespace quiver
