#include "report/heat_map_script.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "quiver/error.h"
#include "report/chart_panel.h"
#include "report/display_text.h"
#include "report/heat_map.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxExperts = 24;  // columns of a panel
constexpr std::size_t kMaxTasks = 100;   // or columns
constexpr std::size_t kMaxPanels = 40;
constexpr std::size_t kMaxLabel = 32;  // characters
constexpr std::size_t kMaxCell = 8;
constexpr std::size_t kPanelsAcross = 2;
constexpr double kCell = 34;  // width; three digits fit
constexpr double kRow = 24;   // height
constexpr double kMargin = 20;
constexpr double kSmallWidth = 6.6;  // of a character of kSmallPoints, to the safe side
constexpr double kSmallPoints = 9;
constexpr double kTurn = 50;        // degrees of the experts' names
constexpr double kDarkFrom = 0.55;  // shade on which white text is read better

// White to dark blue.
std::string colour_of(double weight) {
  constexpr std::array<double, 3> kLight = {247, 250, 253}, kDark = {23, 66, 109};
  std::array<int, 3> rgb{};
  for (std::size_t i = 0; i < 3; ++i)
    rgb[i] = static_cast<int>(std::lround(kLight[i] + (kDark[i] - kLight[i]) * std::clamp(weight, 0.0, 1.0)));
  char text[16];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
  return text;
}

double widest(const std::vector<std::string>& texts) {
  std::size_t most = 0;
  for (const std::string& text : texts) most = std::max(most, std::min(character_count(text), kMaxLabel));
  return static_cast<double>(most) * kSmallWidth;
}

// Where the parts of a panel go, in pixels from its left upper corner.
struct Frame {
  double left = 0;  // of the cells
  double top = 0;
  double width = 0;  // of the panel
  double height = 0;
};

Frame frame_of(const MatrixPanel& map) {
  Frame frame;
  const double turned = widest(map.columns);
  frame.left = kMargin + widest(map.rows) + 8;
  frame.top = 64;
  const double cells = kCell * static_cast<double>(map.columns.size());
  const double text = kMargin + static_cast<double>(character_count(map.subtitle)) * kSmallWidth;
  frame.width = std::max(frame.left + cells, text) + kMargin;
  frame.height = frame.top + kRow * static_cast<double>(map.rows.size()) + 24 +
                 turned * std::sin(kTurn * std::numbers::pi / 180);
  return frame;
}

// Writes panels; turns pixels of the picture into gnuplot's screen fractions.
class Writer {
 public:
  Writer(std::ostream& out, double width, double height) : out_(out), width_(width), height_(height) {}

  void panel(const MatrixPanel& map, const Frame& frame, double x, double y) {
    text(display_text(map.title, 60), x + kMargin, y + 20, "left", kFontPoints + 1);
    text(map.subtitle, x + kMargin, y + 42, "left", kSmallPoints);
    for (std::size_t t = 0; t < map.rows.size(); ++t) {
      const double row_y = y + frame.top + kRow * (static_cast<double>(t) + 0.5);
      text(display_text(map.rows[t], kMaxLabel), x + frame.left - 6, row_y, "right", kSmallPoints);
      for (std::size_t c = 0; c < map.columns.size(); ++c)
        cell(map.shades[t][c], map.texts[t][c], x + frame.left + kCell * static_cast<double>(c), row_y);
    }
    const double below = y + frame.top + kRow * static_cast<double>(map.rows.size()) + 8;
    for (std::size_t c = 0; c < map.columns.size(); ++c) {
      text(display_text(map.columns[c], kMaxLabel), x + frame.left + kCell * (static_cast<double>(c) + 0.65),
           below, "right rotate by 50", kSmallPoints);
    }
  }

 private:
  void text(const std::string& shown, double x, double y, const std::string& how, double points,
            const char* colour = "#111111") {
    out_ << "set label " << gnuplot_text(shown) << " at screen " << x / width_ << ", screen "
         << 1 - y / height_ << ' ' << how << " font \"," << points << "\" textcolor rgb \"" << colour
         << "\" front\n";
  }

  void cell(double shade, const std::string& shown, double x, double y) {
    out_ << "set object rectangle from screen " << x / width_ << ", screen "
         << 1 - (y - kRow / 2 + 1) / height_ << " to screen " << (x + kCell - 1) / width_ << ", screen "
         << 1 - (y + kRow / 2) / height_ << " fillcolor rgb \"" << colour_of(shade)
         << "\" fillstyle solid noborder\n";
    text(display_text(shown, kMaxCell), x + kCell / 2, y, "center", kSmallPoints,
         shade < kDarkFrom ? "#111111" : "#ffffff");
  }

  std::ostream& out_;
  double width_;
  double height_;
};

void check_routing(const std::vector<HeatMap>& maps) {
  if (maps.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "there are no routing weights to draw",
                "run `quiver eval` with a router that chooses experts");
  }
  if (maps.size() > kMaxPanels) {
    throw Error(ErrorKind::kInvalidArgument,
                "cannot draw the routing of " + std::to_string(maps.size()) + " models in one picture",
                "keep at most " + std::to_string(kMaxPanels));
  }
  for (const HeatMap& map : maps) {
    if (map.tasks.size() <= kMaxTasks) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "cannot draw the routing of " + std::to_string(map.tasks.size()) + " tasks in one panel",
                "`quiver report` takes more than " + std::to_string(kMaxTasks));
  }
}

void check(std::span<const MatrixPanel> panels) {
  const auto require = [](bool holds, const std::string& problem) {
    if (!holds) throw Error(ErrorKind::kInvalidArgument, "cannot draw a matrix: " + problem);
  };
  require(!panels.empty(), "there is none");
  require(panels.size() <= kMaxPanels,
          std::to_string(panels.size()) + " panels are more than " + std::to_string(kMaxPanels));
  for (const MatrixPanel& panel : panels) {
    const std::size_t rows = panel.rows.size(), columns = panel.columns.size();
    const auto fits = [&](const auto& cells) {
      return cells.size() == rows &&
             std::all_of(cells.begin(), cells.end(), [&](const auto& row) { return row.size() == columns; });
    };
    require(rows > 0 && columns > 0, "'" + panel.title + "' has no cell");
    require(rows <= kMaxTasks && columns <= kMaxTasks,
            "'" + panel.title + "' has " + std::to_string(rows) + " rows and " + std::to_string(columns) +
                " columns, more than " + std::to_string(kMaxTasks));
    require(fits(panel.shades) && fits(panel.texts), "the cells of '" + panel.title + "' are not its shape");
  }
}

// The weights in percent.
MatrixPanel panel_of(HeatMap map) {
  MatrixPanel panel{std::move(map.title), std::move(map.subtitle), std::move(map.tasks),
                    std::move(map.columns), std::move(map.weights)};
  for (const std::vector<double>& row : panel.shades) {
    std::vector<std::string>& texts = panel.texts.emplace_back();
    for (const double weight : row) texts.push_back(std::to_string(std::lround(100 * weight)));
  }
  return panel;
}

}  // namespace

std::string matrix_script(std::span<const MatrixPanel> panels, ChartFormat format,
                          const std::filesystem::path& picture) {
  check(panels);
  const std::size_t across = std::min(kPanelsAcross, panels.size());
  std::vector<Frame> frames;
  double panel_width = 0;
  for (const MatrixPanel& panel : panels) {
    frames.push_back(frame_of(panel));
    panel_width = std::max(panel_width, frames.back().width);
  }
  const double width = std::ceil(panel_width * static_cast<double>(across));
  std::vector<double> tops = {0};  // of the rows of panels
  for (std::size_t i = 0; i < panels.size(); i += across) {
    double tallest = 0;
    for (std::size_t k = i; k < std::min(i + across, panels.size()); ++k)
      tallest = std::max(tallest, frames[k].height);
    tops.push_back(tops.back() + tallest);
  }
  const double height = std::ceil(tops.back());

  std::ostringstream out;
  out << terminal_commands(format, width, height, picture);
  Writer writer(out, width, height);
  for (std::size_t i = 0; i < panels.size(); ++i)
    writer.panel(panels[i], frames[i], panel_width * static_cast<double>(i % across), tops[i / across]);
  // Something has to be plotted for labels to be drawn.
  out << "set lmargin 0\nset rmargin 0\nset tmargin 0\nset bmargin 0\nunset border\nunset tics\nunset key\n"
         "set xrange [0:1]\nset yrange [0:1]\nplot 2 notitle\nunset output\n";
  return out.str();
}

std::string heat_map_script(const Results& results, ChartFormat format,
                            const std::filesystem::path& picture) {
  const std::vector<HeatMap> maps = heat_maps(results, kMaxExperts);
  check_routing(maps);
  std::vector<MatrixPanel> panels;
  for (const HeatMap& map : maps) panels.push_back(panel_of(map));
  return matrix_script(panels, format, picture);
}

}  // namespace quiver
