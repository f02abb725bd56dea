#pragma once

#include <string>

#include "quiver/report.h"

namespace quiver {

// The parts of a report page, one file each: HTML of one results.json, "" where it has nothing to show. The
// classes that they use stand in html_style.cc. All texts pass through html_text().
std::string html_table(const Results& results);
std::string html_bars(const Results& results);
std::string html_heat_maps(const Results& results);
std::string html_tasks(const Results& results);
std::string html_samples(const Results& results);

// The page's style sheet.
extern const char* const kHtmlStyle;

// The class of a cell whose shade says `share`, 0..1.
std::string shade_class(double share);

}  // namespace quiver
