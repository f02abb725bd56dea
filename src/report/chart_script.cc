#include "report/chart_script.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>

#include "quiver/error.h"
#include "report/chart_panel.h"
#include "report/display_text.h"
#include "report/metric_text.h"

namespace quiver {
namespace {

// Okabe and Ito's palette, which stays distinct for colour-blind eyes; grey is for rows without a library.
constexpr std::array<const char*, 7> kColours = {"#0072B2", "#E69F00", "#009E73", "#CC79A7",
                                                 "#56B4E9", "#D55E00", "#F0E442"};
constexpr const char* kNoLibraryColour = "#999999";
constexpr std::size_t kMaxLabel = 32;  // characters under a bar

// Colours by library, the same in every panel.
std::map<std::string, std::string> library_colours(const Results& results) {
  std::map<std::string, std::string> colours = {{"", kNoLibraryColour}};
  std::size_t next = 0;
  for (const ResultRow& row : results.rows) {
    if (colours.emplace(row.library, kColours[next % kColours.size()]).second) ++next;
  }
  return colours;
}

// Libraries by the last part of their path, or the whole path where two would look alike.
std::map<std::string, std::string> library_labels(const std::vector<std::string>& libraries) {
  std::map<std::string, int> uses;
  for (const std::string& library : libraries) ++uses[short_name(library)];
  std::map<std::string, std::string> labels;
  for (const std::string& library : libraries) {
    const std::string& name = uses[short_name(library)] > 1 ? library : short_name(library);
    labels[library] = library.empty() ? "no library" : display_text(name, 60);
  }
  return labels;
}

std::string examples_text(const std::vector<const ResultRow*>& rows) {
  const auto [least, most] = std::minmax_element(
      rows.begin(), rows.end(), [](const ResultRow* a, const ResultRow* b) { return a->n < b->n; });
  std::string text = std::to_string((*least)->n);
  if ((*most)->n != (*least)->n) text += " to " + std::to_string((*most)->n);
  return text;
}

Panel make_panel(const Results& results, const std::string& metric) {
  std::vector<const ResultRow*> rows;
  std::vector<std::string> libraries;
  for (const ResultRow& row : results.rows) {
    if (row.metric != metric) continue;
    rows.push_back(&row);
    if (std::find(libraries.begin(), libraries.end(), row.library) == libraries.end()) {
      libraries.push_back(row.library);
    }
  }
  if (rows.size() > kMaxBars) {
    throw Error(ErrorKind::kInvalidArgument,
                "cannot draw " + std::to_string(rows.size()) + " rows of '" + metric + "' in one chart",
                "keep at most " + std::to_string(kMaxBars) + " rows per metric");
  }
  Panel panel;
  panel.title = metric_title(metric) + (libraries.size() > 1 ? " by router and library" : " by router");
  panel.subtitle =
      "base model " + display_text(short_name(results.base), 60) + ", n = " + examples_text(rows);
  panel.axis = metric == "rougeL" ? "Rouge-L (0 to 100)" : "accuracy (0 to 1)";
  const auto colours = library_colours(results);
  const auto labels = library_labels(libraries);
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    panel.legend.push_back({labels.at(libraries[i]), colours.at(libraries[i])});
    for (const ResultRow* row : rows) {
      if (row->library != libraries[i]) continue;
      panel.bars.push_back(
          {display_text(row->name, kMaxLabel), row->value, metric_value_text(metric, row->value), i});
    }
  }
  return panel;
}

// Writes one panel's commands; turns pixels into gnuplot's screen fractions.
class PanelWriter {
 public:
  PanelWriter(std::ostream& out, double width, double height, double panel_top)
      : out_(out), width_(width), height_(height), panel_top_(panel_top) {}

  void write(const Panel& panel, const PanelLayout& layout) {
    out_ << "unset label\nunset object\n";
    out_ << "set lmargin at screen " << layout.left / width_ << "\nset rmargin at screen "
         << layout.right / width_ << "\nset tmargin at screen " << screen_y(layout.top)
         << "\nset bmargin at screen " << screen_y(layout.bottom) << "\n";
    label(panel.title, layout.left, kTitleY, "left", kFontPoints + 4);
    label(panel.subtitle, layout.left, kSubtitleY, "left", kFontPoints);
    for (std::size_t i = 0; i < panel.legend.size(); ++i) legend_entry(panel.legend[i], layout.legend_at[i]);

    double top = 0;
    for (const Bar& bar : panel.bars) top = std::max(top, bar.value);
    // Room above the tallest bar for its value.
    top = top > 0 ? top * 1.12 : 1;
    for (std::size_t i = 0; i < panel.bars.size(); ++i) {
      const double x = layout.left + (layout.bar_x[i] - layout.x_min) / (layout.x_max - layout.x_min) *
                                         (layout.right - layout.left);
      const double height = panel.bars[i].value / top * (layout.bottom - layout.top);
      label(panel.bars[i].value_label, x, layout.bottom - height - 11, "center", kFontPoints - 1);
      bar_label(panel.bars[i].label, x, layout);
    }
    out_ << "set xrange [" << layout.x_min << ":" << layout.x_max << "]\nset yrange [0:" << top << "]\n";
    out_ << "set ylabel " << gnuplot_text(panel.axis) << "\n";
    plot(panel, layout);
  }

 private:
  double screen_y(double y) const { return 1 - (panel_top_ + y) / height_; }

  void label(const std::string& text, double x, double y, const char* align, double points) {
    out_ << "set label " << gnuplot_text(text) << " at screen " << x / width_ << ", screen " << screen_y(y)
         << " " << align << " font \"," << points << "\" front\n";
  }

  void bar_label(const std::string& text, double x, const PanelLayout& layout) {
    const double y = screen_y(layout.bottom + 14);
    out_ << "set label " << gnuplot_text(text) << " at screen "
         << (x + (layout.rotate_labels ? 6 : 0)) / width_ << ", screen " << y
         << (layout.rotate_labels ? " right rotate by " + std::to_string(kLabelAngle) : " center") << "\n";
  }

  void legend_entry(const LegendEntry& entry, std::pair<double, double> at) {
    const auto [x, y] = at;
    out_ << "set object rectangle from screen " << x / width_ << ", screen " << screen_y(y + kLegendBox / 2)
         << " to screen " << (x + kLegendBox) / width_ << ", screen " << screen_y(y - kLegendBox / 2)
         << " fillcolor rgb \"" << entry.colour << "\" fillstyle solid noborder\n";
    label(entry.label, x + kLegendBox + 8, y, "left", kFontPoints);
  }

  void plot(const Panel& panel, const PanelLayout& layout) {
    std::string data;
    out_ << "plot ";
    for (std::size_t group = 0; group < panel.legend.size(); ++group) {
      out_ << (group > 0 ? ", " : "") << "\"-\" using 1:2 with boxes fillcolor rgb \""
           << panel.legend[group].colour << "\"";
      std::ostringstream points;
      for (std::size_t i = 0; i < panel.bars.size(); ++i) {
        if (panel.bars[i].library == group) points << layout.bar_x[i] << " " << panel.bars[i].value << "\n";
      }
      data += points.str() + "e\n";
    }
    out_ << "\n" << data;
  }

  std::ostream& out_;
  double width_;      // of the picture
  double height_;     // of the picture
  double panel_top_;  // from the top of the picture
};

}  // namespace

std::string gnuplot_text(const std::string& text) {
  std::string quoted = "\"";
  bool after_escape = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // gnuplot reads as many octal digits as there are, so a digit after an escape is escaped as well.
    const bool plain =
        byte < 0x80 && (std::isalpha(byte) || byte == ' ' || (std::isdigit(byte) && !after_escape));
    if (plain) {
      quoted += c;
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\%03o", byte);
      quoted += escape;
    }
    after_escape = !plain;
  }
  return quoted + "\"";
}

std::string terminal_commands(ChartFormat format, double width, double height,
                              const std::filesystem::path& picture) {
  std::ostringstream out;
  out << "set encoding utf8\nset terminal " << (format == ChartFormat::kPng ? "pngcairo" : "svg")
      << " noenhanced size " << width << "," << height << " font \"sans-serif," << kFontPoints
      << "\" background \"#ffffff\"\nset output " << gnuplot_text(picture.string()) << "\n";
  return out.str();
}

std::string chart_script(const Results& results, ChartFormat format, const std::filesystem::path& picture) {
  std::vector<Panel> panels;
  for (const char* metric : {"rougeL", "acc", "acc_norm", "mttl", "exact_match", "mean"}) {
    const bool present = std::any_of(results.rows.begin(), results.rows.end(),
                                     [metric](const ResultRow& row) { return row.metric == metric; });
    if (present) panels.push_back(make_panel(results, metric));
  }
  if (panels.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "there are no results to draw", "run `quiver eval` first");
  }
  const double width = picture_width(panels);
  double height = 0;
  std::vector<PanelLayout> layouts;
  for (const Panel& panel : panels) {
    layouts.push_back(lay_out(panel, width));
    height += layouts.back().height;
  }
  height = std::ceil(height);

  std::ostringstream out;
  out << terminal_commands(format, width, height, picture)
      << "set multiplot\nunset key\nset border 3 linecolor rgb \"#444444\"\nunset xtics\n"
         "set ytics nomirror\nset grid ytics linetype 1 linewidth 0.6 linecolor rgb \"#dddddd\"\n"
         "set boxwidth 0.74\nset style fill solid 1.0 noborder\n";
  double panel_top = 0;
  for (std::size_t i = 0; i < panels.size(); ++i) {
    PanelWriter(out, width, height, panel_top).write(panels[i], layouts[i]);
    panel_top += layouts[i].height;
  }
  out << "unset multiplot\nunset output\n";
  return out.str();
}

}  // namespace quiver
