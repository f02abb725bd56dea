#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "quiver/report.h"
#include "report/display_text.h"

namespace quiver {
namespace {

ResultRow row(const std::string& name, const std::string& metric, double value) {
  return {.name = name, .router = "base", .metric = metric, .value = value, .n = 30};
}

TEST(FormatTable, AlignsColumns) {
  ResultRow arrow = {.name = "arrow_mbc",
                     .library = "lib",
                     .router = "arrow",
                     .combine = "output",
                     .top_k = 2,
                     .metric = "acc",
                     .value = 0.5,
                     .n = 1200,
                     .per_task = {{"a", 0.25}, {"b", 0.5}},
                     .seconds = 4,
                     .tokens = 50};
  EXPECT_EQ(format_table({.base = "b", .rows = {row("base", "rougeL", 9.96), arrow}}),
            "name       library  router  combine  top-k  metric     n  value  task mean  tokens/s\n"
            "---------  -------  ------  -------  -----  ------  ----  -----  ---------  --------\n"
            "base       -        base    -            -  rougeL    30   10.0          -         -\n"
            "arrow_mbc  lib      arrow   output       2  acc     1200  0.500      0.375      12.5\n");
}

TEST(FormatTable, ShowsMeasuresWhereThereAreAny) {
  ResultRow prompt = row("prompt", "rougeL", 78.25);
  prompt.share_of_oracle = {0.9714, 0.93, 1.002};
  prompt.routing = {.accuracy = 0.985, .expert_p = 0.91234, .entropy = 0.256, .abstained = 0.005};
  ResultRow foreign = row("uniform", "rougeL", 2);
  foreign.routing = RoutingMeasures{.abstained = 1};
  EXPECT_EQ(
      format_table({.base = "b", .rows = {row("base", "rougeL", 1), prompt, foreign}}),
      "name     library  router  combine  top-k  metric   n  value  task mean  of oracle   95% interval  "
      "accuracy  expert p  entropy  abstained  tokens/s\n"
      "-------  -------  ------  -------  -----  ------  --  -----  ---------  ---------  -------------  "
      "--------  --------  -------  ---------  --------\n"
      "base     -        base    -            -  rougeL  30    1.0          -          -              -  "
      "       -         -        -          -         -\n"
      "prompt   -        base    -            -  rougeL  30   78.2          -      97.1%  93.0 to 100.2  "
      "   98.5%     0.912     0.26       0.5%         -\n"
      "uniform  -        base    -            -  rougeL  30    2.0          -          -              -  "
      "       -         -        -     100.0%         -\n");
}

TEST(FormatTable, CountsCharactersNotBytes) {
  const std::string table =
      format_table({.base = "b", .rows = {row("caf\u00e9", "acc", 1), row("tea", "acc", 0)}});
  std::istringstream lines(table);
  std::string line;
  std::size_t width = 0;
  while (std::getline(lines, line)) {
    if (width == 0) width = character_count(line);
    EXPECT_EQ(character_count(line), width) << line;
  }
}

TEST(FormatTable, HostileNamesStayOnTheirLine) {
  const std::string table = format_table(
      {.base = "b", .rows = {row("a\nb\x1b[31m\xff\u0085", "acc", 1), row(std::string(500, 'x'), "acc", 1)}});
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 4);
  EXPECT_EQ(table.find('\x1b'), std::string::npos);
  EXPECT_NE(table.find("a\ufffdb\ufffd[31m\ufffd\ufffd"), std::string::npos);
  EXPECT_NE(table.find(std::string(37, 'x') + "... "), std::string::npos);
}

TEST(DisplayText, CutsAtCharacters) {
  EXPECT_EQ(display_text("\u00e9\u00e9\u00e9\u00e9\u00e9", 4), "\u00e9...");
  EXPECT_EQ(display_text("\u00e9\u00e9\u00e9\u00e9", 4), "\u00e9\u00e9\u00e9\u00e9");
  EXPECT_EQ(display_text("", 4), "");
}

TEST(ShortName, IsTheLastPart) {
  EXPECT_EQ(short_name("local:///a/experts/"), "experts");
  EXPECT_EQ(short_name("smollm2-135m"), "smollm2-135m");
  EXPECT_EQ(short_name("//"), "//");
  EXPECT_EQ(short_name(""), "");
}

}  // namespace
}  // namespace quiver
