#include <algorithm>

#include "core/json.h"
#include "core/strings.h"
#include "quiver/error.h"
#include "report/display_text.h"
#include "report/html_parts.h"
#include "report/html_text.h"

namespace quiver {
namespace {

// What machine_description() gives, in the order in which one says it.
std::string machine_text(const nlohmann::json& machine) {
  std::vector<std::string> parts;
  for (const char* key : {"cpu", "cores", "memory_bytes", "os", "compiler"}) {
    const auto value = machine.find(key);
    if (value == machine.end()) continue;
    if (key == std::string("cores")) {
      parts.push_back(dump_json(*value) + " cores");
    } else if (value->is_number_unsigned()) {
      parts.push_back(std::to_string(value->get<std::uint64_t>() >> 30) + " GiB");
    } else {
      parts.push_back(value->is_string() ? value->get<std::string>() : dump_json(*value));
    }
  }
  return parts.empty() ? "an unknown machine" : join(parts, ", ");
}

std::string block(const char* heading, const char* note, const std::string& html) {
  if (html.empty()) return "";
  const std::string said = *note == '\0' ? "" : std::string("<p>") + note + "</p>\n";
  return std::string("<h3>") + heading + "</h3>\n" + said + html;
}

std::string part_html(const ReportPart& part, std::size_t number) {
  const Results& results = part.results;
  std::string html = "<section id=\"part" + std::to_string(number) + "\"><h2>" + html_text(part.title, 200) +
                     "</h2>\n<p>Base model " + html_text(short_name(results.base), 100) + ". Quiver " +
                     html_text(results.version, 40) + " on " + html_text(machine_text(results.machine), 300) +
                     ".</p>\n";
  if (results.rows.empty()) return html + "<p>No results.</p></section>\n";
  html += html_table(results);
  html += block("Pictures", "", html_bars(results));
  html += block("Where the routers sent the prompts",
                "Percent of the routing weight that a task's prompts gave to each expert.",
                html_heat_maps(results));
  html += block("Task by task", "", html_tasks(results));
  html += block("Prompts and answers", "", html_samples(results));
  return html + "</section>\n";
}

}  // namespace

std::string report_page(std::span<const ReportPart> parts) {
  if (std::all_of(parts.begin(), parts.end(),
                  [](const ReportPart& part) { return part.results.rows.empty(); })) {
    throw Error(ErrorKind::kInvalidArgument, "there are no results to report", "run `quiver eval` first");
  }
  std::string contents, sections;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    results_text(parts[i].results);  // refuses what breaks a rule
    contents +=
        "<li><a href=\"#part" + std::to_string(i) + "\">" + html_text(parts[i].title, 200) + "</a></li>";
    sections += part_html(parts[i], i);
  }
  // Nothing is loaded and no script runs, whatever a text might smuggle in.
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
         "'unsafe-inline'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Quiver report</title>\n<style>\n" +
         std::string(kHtmlStyle) + "</style></head>\n<body><main><h1>Quiver report</h1>\n" +
         (parts.size() > 1 ? "<nav><ul>" + contents + "</ul></nav>\n" : "") + sections +
         "</main></body></html>\n";
}

}  // namespace quiver
