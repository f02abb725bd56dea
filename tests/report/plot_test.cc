#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

#include "quiver/report.h"
#include "report/chart_script.h"
#include "support/test_support.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

using test::error_message;
using test::ScratchDirectory;

ResultRow bar(const std::string& name, const std::string& library, double rouge) {
  return {.name = name, .library = library, .router = "arrow", .metric = "rougeL", .value = rouge, .n = 60};
}

Results two_metrics() {
  Results results = {.base = "/models/smollm2", .rows = {bar("base", "", 12.5), bar("arrow", "a/one", 40)}};
  results.rows.push_back(bar("arrow_mbc", "a/two", 0.5));
  results.rows.back().metric = "acc";
  return results;
}

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// The big-endian number that a PNG's header holds at `offset`: 16 is the width, 20 the height.
unsigned png_number(const std::string& png, std::size_t offset) {
  unsigned number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(png.at(offset + i));
  return number;
}

TEST(PlotResults, SvgShowsEveryText) {
  const ScratchDirectory scratch;
  plot_results(two_metrics(), scratch / "chart.svg");
  const std::string svg = read_file(scratch / "chart.svg", 1 << 24);
  for (const char* text :
       {"Rouge-L by router and library", "Accuracy by router", "base model smollm2, n = 60", ">arrow<",
        "arrow_mbc", ">12.5<", ">40.0<", ">0.500<", ">one<", ">two<", ">no library<"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
}

TEST(PlotResults, PngHasTheStatedSize) {
  const ScratchDirectory scratch;
  plot_results(two_metrics(), scratch / "two.png");
  Results one = two_metrics();
  one.rows.pop_back();
  plot_results(one, scratch / "one.png");
  const std::string two_panels = read_file(scratch / "two.png", 1 << 24);
  const std::string one_panel = read_file(scratch / "one.png", 1 << 24);
  EXPECT_EQ(two_panels.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(png_number(two_panels, 16), 1200u);
  EXPECT_EQ(png_number(one_panel, 16), 1200u);
  EXPECT_EQ(png_number(two_panels, 20), 2 * png_number(one_panel, 20));

  for (int i = 0; i < 100; ++i) one.rows.push_back(bar("arrow", "a/one", i));
  plot_results(one, scratch / "wide.png");
  EXPECT_GT(png_number(read_file(scratch / "wide.png", 1 << 24), 16), 4500u);
}

TEST(GnuplotText, EscapesAllButLettersDigitsAndSpaces) {
  EXPECT_EQ(gnuplot_text("a 1"), "\"a 1\"");
  EXPECT_EQ(gnuplot_text("a\"\\\n"), "\"a\\042\\134\\012\"");
  // gnuplot would read \0557 as one octal number.
  EXPECT_EQ(gnuplot_text("top-70"), "\"top\\055\\067\\060\"");
  EXPECT_EQ(gnuplot_text("\u00e9"), "\"\\303\\251\"");
}

TEST(PlotResults, HostileTextIsDrawnNotRun) {
  const ScratchDirectory scratch;
  const std::string marker = (scratch / "m").string();
  const std::string touch = "touch " + marker;
  const std::vector<std::string> hostile = {"`" + touch + "`",        "\"; system(\"" + touch + "\")",
                                            "'; !" + touch + " #",    "x\n!" + touch,
                                            "\\\"\n!" + touch + "\\", "@a $b {/*9 c} d_e^f & ~",
                                            "%g %s %n 100%",          "</text><script>alert(1)</script>"};
  Results results = {.base = "`" + touch + "`\"", .rows = {}};
  for (const std::string& text : hostile) {
    results.rows.push_back(bar(text, text, 10));
    // Once more without a slash, so that the legend does not shorten it, and short enough not to be cut.
    results.rows.push_back(bar(text.substr(0, 20), text.substr(0, 20), 10));
  }
  plot_results(results, scratch / "chart.svg");
  EXPECT_FALSE(fs::exists(marker));
  const std::string svg = read_file(scratch / "chart.svg", 1 << 24);
  for (const char* text : {"@a $b {/*9 c} d_e^f", "%g %s %n 100%", "&lt;/text>&lt;script>"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(occurrences(svg, "<script"), 0u);
  const std::string script = chart_script(results, ChartFormat::kSvg, scratch / "chart.svg");
  EXPECT_TRUE(std::none_of(script.begin(), script.end(),
                           [](char c) { return c == '`' || c == '@' || c == '!' || c == ';' || c == '\''; }));
}

TEST(PlotResults, RefusesWhatItCannotDraw) {
  const ScratchDirectory scratch;
  EXPECT_EQ(error_message([&] { plot_results(two_metrics(), "chart.pdf"); }),
            "cannot draw into 'chart.pdf': unknown picture format | end the name in .svg or .png");
  EXPECT_EQ(error_message([&] { plot_results({}, scratch / "chart.svg"); }),
            "there are no results to draw | run `quiver eval` first");
  Results many;
  for (int i = 0; i < 201; ++i) many.rows.push_back(bar("x", "", 1));
  EXPECT_EQ(error_message([&] { plot_results(many, scratch / "chart.svg"); }),
            "cannot draw 201 rows of 'rougeL' in one chart | keep at most 200 rows per metric");
  EXPECT_FALSE(fs::exists(scratch / "chart.svg"));
}

TEST(PlotResults, DrawsBarsOfHeightZero) {
  const ScratchDirectory scratch;
  plot_results({.base = "b", .rows = {bar("base", "", 0)}}, scratch / "chart.svg");
  EXPECT_NE(read_file(scratch / "chart.svg", 1 << 24).find(">0.0<"), std::string::npos);
}

TEST(PlotResults, SaysHowToInstallGnuplot) {
  const ScratchDirectory scratch;
  const char* found = ::getenv("PATH");
  const std::string path = found == nullptr ? "" : found;
  ::setenv("PATH", scratch.path().c_str(), 1);
  const std::string message = error_message([&] { plot_results(two_metrics(), scratch / "chart.svg"); });
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(message, "gnuplot, which draws the charts, is not installed | apt-get install gnuplot-nox");
}

TEST(PlotResults, ReportsAFailingGnuplotAndKeepsTheOldPicture) {
  const ScratchDirectory scratch;
  write_file_atomic(scratch / "gnuplot", "#!/bin/sh\necho 'no such terminal' >&2\nexit 3\n");
  fs::permissions(scratch / "gnuplot", fs::perms::owner_all);
  write_file_atomic(scratch / "chart.svg", "old");
  const char* found = ::getenv("PATH");
  const std::string path = found == nullptr ? "" : found;
  ::setenv("PATH", (scratch.path().string() + ":" + path).c_str(), 1);
  const std::string message = error_message([&] { plot_results(two_metrics(), scratch / "chart.svg"); });
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(message, "gnuplot failed: no such terminal ");
  EXPECT_EQ(read_file(scratch / "chart.svg", 100), "old");
}

}  // namespace
}  // namespace quiver
