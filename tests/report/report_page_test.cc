#include <gtest/gtest.h>

#include "quiver/report.h"
#include "report/display_text.h"
#include "report/html_text.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

// Every text of a page is one of these; `text` makes it from a name.
using TextOf = std::function<std::string(const std::string&)>;

ReportPart part(const TextOf& text) {
  ResultRow base = {.name = text("base"),
                    .router = "base",
                    .metric = "rougeL",
                    .value = 10,
                    .n = 60,
                    .per_task = {{text("eels"), 12.5}, {text("maps"), 7.5}},
                    .seconds = 12.345};
  ResultRow prompt = {.name = text("prompt"),
                      .library = text("lib"),
                      .router = text("router"),
                      .top_k = 3,
                      .metric = "rougeL",
                      .value = 77.25,
                      .n = 60,
                      .per_task = {{text("eels"), 100}, {text("maps"), 54.5}}};
  prompt.share_of_oracle = {0.9714, 0.93, 1.002};
  prompt.routing = {.accuracy = 0.985,
                    .expert_p = 0.91234,
                    .entropy = 0.256,
                    .abstained = 0.25,
                    .weights = {{text("eels"), {{text("fish"), 0.5}, {text("rivers"), 0.25}}},
                                {text("maps"), {{text("rivers"), 1.0}}}}};
  Results results = {.base = text("smollm"),
                     .version = text("0.1.0"),
                     .machine = {{"cpu", text("cpu")}, {"cores", 2}, {"memory_bytes", 3ull << 30}},
                     .rows = {base, prompt}};
  results.samples = {{.task = text("eels"),
                      .prompt = text("Class of an eel:"),
                      .target = text("fish"),
                      .answers = {{.row = 0, .text = text("bird"), .score = 0},
                                  {.row = 1,
                                   .text = text("a fish"),
                                   .score = 66.7,
                                   .tokens = {{text("Class"), text("fish")},
                                              {text(" of"), text("fish")},
                                              {text(" an"), text("rivers")},
                                              {text(" eel:"), ""}}}}}};
  return {.title = text("results.json"), .results = results};
}

std::string plain(const std::string& name) { return name; }

// The page's tags in their order, attributes left out. Fails the test where they are not nested.
std::vector<std::string> tags_of(const std::string& page) {
  std::vector<std::string> tags, open;
  for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    const std::string tag = page.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    tags.push_back(name);
    if (tag.starts_with("!") || name == "meta" || tag.ends_with("/")) continue;
    if (!tag.starts_with("/")) {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      ADD_FAILURE() << tag << " closes " << (open.empty() ? "nothing" : open.back());
      return tags;
    } else {
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
  return tags;
}

bool holds(const std::string& page, const std::string& text) { return page.find(text) != std::string::npos; }

TEST(ReportPage, ShowsWhatTheFileSays) {
  const ReportPart one = part(plain);
  const std::string page = report_page({&one, 1});
  tags_of(page);
  for (const char* text :
       {"<h2>results.json</h2>", "Base model smollm. Quiver 0.1.0 on cpu, 2 cores, 3 GiB.",
        // the table
        "<th scope=\"row\">prompt</th><td>lib</td><td>rougeL</td><td class=\"number\">60</td><td "
        "class=\"number\">77.2</td>",
        "<td>router</td><td>&ndash;</td><td class=\"number\">3</td>",
        "<td class=\"number\">77.2</td><td class=\"number\">77.2</td><td class=\"number\">97.1%</td>"
        "<td class=\"number\">93.0 to 100.2</td><td class=\"number\">98.5%</td><td "
        "class=\"number\">0.912</td>"
        "<td class=\"number\">0.26</td><td class=\"number\">25.0%</td>",
        "<td class=\"number\">12.3</td>",
        // bars: 10 of 77.25, and the share with its interval, on an axis that ends at 1.002
        "<rect x=\"0.0\" y=\"2\" width=\"129.4\" height=\"16\"/>",
        "<rect x=\"0.0\" y=\"2\" width=\"969.5\" height=\"16\"/><path d=\"M928.1 10H1000.0M928.1 5V15M1000.0 "
        "5V15\"/>",
        // the heat map
        "<small>right expert 98.5% of the prompts, abstained 25.0%</small>",
        "<span>fish</span></th><th scope=\"col\" class=\"tall\"><span>rivers</span></th>"
        "<th scope=\"col\" class=\"tall\"><span>base alone</span></th></tr>",
        "<th scope=\"row\">eels</th><td class=\"shade5\">50</td><td class=\"shade3\">25</td>"
        "<td class=\"shade3\">25</td>",
        "<th scope=\"row\">maps</th><td class=\"shade0\">0</td><td class=\"shade10\">100</td>"
        "<td class=\"shade0\">0</td>",
        // task by task
        "<th scope=\"row\">eels</th><td class=\"number shade1\">12.5</td><td class=\"number "
        "shade10\">100.0</td>",
        // samples
        "<dd class=\"text\" dir=\"auto\">Class of an eel:</dd>",
        "<h5>prompt<span class=\"number\">66.7</span></h5><p class=\"text\" dir=\"auto\">a fish</p>",
        "<span class=\"expert0\"><sub>1</sub>Class of</span><span class=\"expert1\"><sub>2</sub> an</span>"
        "<span> eel:</span>",
        "<li><span class=\"expert0\">1</span> fish</li><li><span class=\"expert1\">2</span> rivers</li>"}) {
    EXPECT_TRUE(holds(page, text)) << text;
  }
}

TEST(ReportPage, RefusesAnAnswerOfNoRow) {
  ReportPart broken = part([](const std::string& name) { return name; });
  broken.results.samples[0].answers[1].row = 7;
  EXPECT_NE(error_message([&] { report_page({&broken, 1}); }).find("row 7 of 2"), std::string::npos);
}

TEST(ReportPage, NeedsNothingElse) {
  const ReportPart one = part(plain);
  const std::string page = report_page({&one, 1});
  for (const char* text : {"<script", "<link", "<img", "<iframe", " src=", "url(", "@import", "http://",
                           "https://", "javascript:"}) {
    EXPECT_FALSE(holds(page, text)) << text;
  }
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"));
  for (const char* text :
       {"prefers-color-scheme: dark", "@media print", "width=device-width", "default-src 'none'"})
    EXPECT_TRUE(holds(page, text)) << text;
  EXPECT_EQ(page, report_page({&one, 1}));
}

TEST(ReportPage, HostileTextsAreShownNotRun) {
  const ReportPart one = part(plain);
  const std::vector<std::string> wanted = tags_of(report_page({&one, 1}));
  for (const std::string hostile :
       {"<script>alert(1)</script>", "</style><b>", "\"><img src=x onerror=alert(1)>", "'><svg/onload=x>",
        "<!--", "]]>", "&lt;script&gt;", "a\x1b[31m\x7f\xff\xc3", "\xe2\x80\xae rtl", "</td></tr></table>",
        "a\r\nb\tc"}) {
    const std::string nul("\0x", 2);
    for (const std::string& tail : {hostile, hostile + nul}) {
      const ReportPart bad = part([&](const std::string& name) { return name + tail; });
      const std::string page = report_page({&bad, 1});
      EXPECT_EQ(tags_of(page), wanted) << hostile;
      for (const char* text : {"<script", "<img", "<svg/", "<b>", "<!--", "onerror=alert(1)>"})
        EXPECT_FALSE(holds(page, text)) << hostile;
      // Valid UTF-8 without control characters: as safe as it was.
      EXPECT_EQ(page.find_first_of(std::string("\0\x1b\x7f\xff\r\t", 6)), std::string::npos) << hostile;
      EXPECT_EQ(display_text(page, page.size() + 4).size() - page.size(),
                2 * static_cast<std::size_t>(std::count(page.begin(), page.end(), '\n')));
    }
  }
}

TEST(ReportPage, SeveralFilesStandOneAfterTheOther) {
  const std::vector<ReportPart> parts = {part(plain),
                                         {.title = "empty.json", .results = {.base = "b"}},
                                         part([](const std::string& name) { return "second " + name; })};
  const std::string page = report_page(parts);
  tags_of(page);
  EXPECT_TRUE(
      holds(page, "<li><a href=\"#part0\">results.json</a></li><li><a href=\"#part1\">empty.json</a></li>"));
  EXPECT_LT(page.find("<section id=\"part0\"><h2>results.json"),
            page.find("<section id=\"part1\"><h2>empty.json"));
  EXPECT_LT(page.find("<section id=\"part1\">"), page.find("<section id=\"part2\"><h2>second results.json"));
  EXPECT_TRUE(holds(page, "<p>No results.</p>"));
  EXPECT_EQ(error_message([&] {
              report_page({&parts[1], 1});
            }),
            "there are no results to report | run `quiver eval` first");
}

TEST(ReportPage, PlainRowsNeedNoMeasures) {
  const ReportPart old = {
      .title = "old.json",
      .results = {.base = "b", .rows = {{.name = "base", .router = "base", .metric = "acc"}}}};
  const std::string page = report_page({&old, 1});
  tags_of(page);
  for (const char* text : {"of oracle", "class=\"heat\"", "<article>", "Task by task"})
    EXPECT_FALSE(holds(page, text));
  EXPECT_TRUE(holds(page, "<rect x=\"0.0\" y=\"2\" width=\"0.0\" height=\"16\"/>"));
}

TEST(HtmlText, EscapesAndCuts) {
  EXPECT_EQ(html_text("a & b < c > \"d\" 'e'"), "a &amp; b &lt; c &gt; &quot;d&quot; &#39;e&#39;");
  EXPECT_EQ(html_text("one\r\ntwo\n\n\tthree\n"), "one\ntwo\n\n three\n");
  EXPECT_EQ(html_text(""), "");
  EXPECT_EQ(html_text("0123456789", 8), "01234...");
  EXPECT_EQ(html_text("\u00e9\u00e9\u00e9\u00e9\u00e9", 4), "\u00e9...");
  EXPECT_EQ(html_text("<<<<<", 4), "&lt;...");
  EXPECT_EQ(html_text("12\n3456789", 10), "12\n3456789");
  EXPECT_EQ(html_text("12\n34567890", 10), "12\n3456...");
  EXPECT_EQ(html_text("123456\nb\nc", 10), "123456...");
  const std::string cut = html_text(std::string(100000, '\n'), 4000);
  EXPECT_LE(cut.size(), 4003u);
  EXPECT_TRUE(cut.ends_with("..."));
}

}  // namespace
}  // namespace quiver
