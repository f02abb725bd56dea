#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "quiver/report.h"

namespace quiver {

// Where one router sent the prompts, ready to draw.
struct HeatMap {
  std::string title;
  std::string subtitle;            // what was measured; may be empty
  std::vector<std::string> tasks;  // rows, in the order of names
  std::vector<std::string>
      columns;  // experts in the order of names; then what other experts and the base got
  std::vector<std::vector<double>> weights;  // (tasks, columns), 0..1
};

// One map a row that has routing weights; rows that say the same of one model (its other metrics) share one.
// Of more than `max_experts` experts those with the most weight have columns. Texts are as in the file.
std::vector<HeatMap> heat_maps(const Results& results, std::size_t max_experts);

// What a chart calls a row: its name and, where the rows have several and the name does not say it, its
// library's last part.
std::string row_title(const ResultRow& row, const Results& results);

}  // namespace quiver
