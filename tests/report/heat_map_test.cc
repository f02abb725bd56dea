#include "report/heat_map.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "report/heat_map_script.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::ScratchDirectory;

ResultRow routed(const std::string& name, const std::string& library,
                 std::map<std::string, std::map<std::string, double>> weights) {
  ResultRow row = {.name = name, .library = library, .router = name, .metric = "rougeL"};
  row.routing = {.accuracy = 0.5, .abstained = 0.25, .weights = std::move(weights)};
  return row;
}

TEST(HeatMaps, HaveTasksDownAndExpertsAcross) {
  const Results results = {
      .base = "b",
      .rows = {{.name = "base", .router = "base", .metric = "rougeL"},
               routed("arrow", "lib", {{"b", {{"y", 1.0}}}, {"a", {{"x", 0.25}, {"y", 0.5}}}})}};
  const std::vector<HeatMap> maps = heat_maps(results, 10);
  ASSERT_EQ(maps.size(), 1u);
  EXPECT_EQ(maps[0].title, "arrow");
  EXPECT_EQ(maps[0].subtitle, "right expert 50.0% of the prompts, abstained 25.0%");
  EXPECT_EQ(maps[0].tasks, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(maps[0].columns, (std::vector<std::string>{"x", "y", "base alone"}));
  EXPECT_EQ(maps[0].weights, (std::vector<std::vector<double>>{{0.25, 0.5, 0.25}, {0, 1, 0}}));
}

TEST(HeatMaps, SumUpTheExpertsThatHaveNoColumn) {
  const Results results = {.base = "b",
                           .rows = {routed("arrow", "lib",
                                           {{"a", {{"u", 0.125}, {"v", 0.5}, {"w", 0.125}, {"x", 0.25}}},
                                            {"b", {{"w", 0.25}, {"x", 0.75}}}})}};
  const std::vector<HeatMap> maps = heat_maps(results, 2);
  EXPECT_EQ(maps.at(0).columns, (std::vector<std::string>{"v", "x", "2 others"}));
  EXPECT_EQ(maps[0].weights, (std::vector<std::vector<double>>{{0.5, 0.25, 0.25}, {0, 0.75, 0.25}}));
}

TEST(HeatMaps, OneForAllMetricsOfAModel) {
  ResultRow accuracy = routed("arrow", "a/tasks", {{"a", {{"x", 1.0}}}});
  accuracy.metric = "acc";
  const Results results = {.base = "b",
                           .rows = {routed("arrow", "a/tasks", {{"a", {{"x", 1.0}}}}), accuracy,
                                    routed("arrow", "a/mbc", {{"a", {{"x", 1.0}}}})}};
  const std::vector<HeatMap> maps = heat_maps(results, 10);
  ASSERT_EQ(maps.size(), 2u);
  EXPECT_EQ(maps[0].title, "arrow on tasks");
  EXPECT_EQ(maps[1].title, "arrow on mbc");
}

TEST(PlotHeatMaps, SvgShowsEveryText) {
  const ScratchDirectory scratch;
  plot_heat_maps(
      {.base = "b", .rows = {routed("arrow", "lib", {{"eels", {{"fish", 0.68}, {"rivers", 0.3}}}})}},
      scratch / "heat.svg");
  const std::string svg = read_file(scratch / "heat.svg", 1 << 24);
  for (const char* text : {">arrow<", "right expert 50.0% of the prompts", ">eels<", ">fish<", ">rivers<",
                           ">base alone<", ">68<", ">30<", ">2<"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
}

TEST(PlotHeatMaps, HostileTextIsDrawnNotRun) {
  const ScratchDirectory scratch;
  const std::string marker = (scratch / "m").string();
  const std::string touch = "touch " + marker;
  Results results = {.base = "b", .rows = {}};
  for (const std::string& text :
       {"`" + touch + "`", "\"; system(\"" + touch + "\")", "x\n!" + touch, "\\\"\n!" + touch + "\\",
        std::string("@a {/*9 c} d_e^f %g"), std::string("<script>alert(1)</script>")})
    results.rows.push_back(routed(text, text, {{text, {{text, 0.5}}}}));
  plot_heat_maps(results, scratch / "heat.svg");
  EXPECT_FALSE(std::filesystem::exists(marker));
  const std::string svg = read_file(scratch / "heat.svg", 1 << 24);
  EXPECT_NE(svg.find("@a {/*9 c} d_e^f %g"), std::string::npos);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  const std::string script = heat_map_script(results, ChartFormat::kSvg, scratch / "heat.svg");
  EXPECT_TRUE(std::none_of(script.begin(), script.end(),
                           [](char c) { return c == '`' || c == '@' || c == '!' || c == ';' || c == '\''; }));
}

TEST(PlotHeatMaps, RefusesWhatItCannotDraw) {
  const ScratchDirectory scratch;
  const auto error = [&](const Results& results) {
    return error_message([&] { plot_heat_maps(results, scratch / "heat.svg"); });
  };
  EXPECT_EQ(error({.base = "b", .rows = {{.name = "base", .router = "base", .metric = "acc"}}}),
            "there are no routing weights to draw | run `quiver eval` with a router that chooses experts");
  Results many = {.base = "b", .rows = {}};
  for (int i = 0; i < 41; ++i) many.rows.push_back(routed(std::to_string(i), "l", {{"a", {{"x", 1}}}}));
  EXPECT_EQ(error(many), "cannot draw the routing of 41 models in one picture | keep at most 40");
  std::map<std::string, std::map<std::string, double>> tasks;
  for (int i = 0; i < 101; ++i) tasks[std::to_string(i)]["x"] = 1;
  EXPECT_EQ(error({.base = "b", .rows = {routed("arrow", "l", tasks)}}),
            "cannot draw the routing of 101 tasks in one panel | `quiver report` takes more than 100");
  EXPECT_FALSE(std::filesystem::exists(scratch / "heat.svg"));
}

TEST(PlotMatrices, SvgShowsEveryCell) {
  const ScratchDirectory scratch;
  const MatrixPanel panel{.title = "loss",
                          .subtitle = "per token",
                          .rows = {"eels", "rivers"},
                          .columns = {"base alone", "fish"},
                          .shades = {{0, 1}, {0.5, 0.25}},
                          .texts = {{"3.51", "1.27"}, {"2.25", "2.75"}}};
  const std::vector<MatrixPanel> panels = {panel, panel};
  plot_matrices(panels, scratch / "matrix.svg");
  const std::string svg = read_file(scratch / "matrix.svg", 1 << 24);
  for (const char* text : {">loss<", ">per token<", ">eels<", ">rivers<", ">base alone<", ">fish<", ">3.51<",
                           ">1.27<", ">2.25<", ">2.75<"}) {
    const std::size_t first = svg.find(text);
    EXPECT_NE(first, std::string::npos) << text;
    EXPECT_NE(svg.find(text, first + 1), std::string::npos) << text << " in the second panel";
  }
}

TEST(PlotMatrices, RefusesWhatIsNoMatrix) {
  const ScratchDirectory scratch;
  const auto refusal = [&](const std::vector<MatrixPanel>& panels) {
    return error_message([&] { plot_matrices(panels, scratch / "m.svg"); });
  };
  EXPECT_EQ(refusal({}), "cannot draw a matrix: there is none");
  EXPECT_EQ(refusal({{.title = "t", .rows = {"a"}}}), "cannot draw a matrix: 't' has no cell");
  MatrixPanel panel{.title = "t", .rows = {"a"}, .columns = {"x"}, .shades = {{0, 1}}, .texts = {{"1"}}};
  EXPECT_EQ(refusal({panel}), "cannot draw a matrix: the cells of 't' are not its shape");
  panel.columns.assign(101, "x");
  EXPECT_EQ(refusal({panel}), "cannot draw a matrix: 't' has 1 rows and 101 columns, more than 100");
  panel = {.title = "t", .rows = {"a"}, .columns = {"x"}, .shades = {{1}}, .texts = {{"1"}}};
  EXPECT_EQ(refusal(std::vector<MatrixPanel>(41, panel)), "cannot draw a matrix: 41 panels are more than 40");
  EXPECT_EQ(error_message([&] { plot_matrices(std::vector<MatrixPanel>{panel}, scratch / "m.gif"); }),
            "cannot draw into '" + (scratch / "m.gif").string() +
                "': unknown picture format | end the name in .svg or .png");
}

}  // namespace
}  // namespace quiver
