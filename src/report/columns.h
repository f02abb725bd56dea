#pragma once

#include <functional>
#include <string>
#include <vector>

#include "quiver/report.h"

namespace quiver {

// A column of the tables on the terminal and on the report page.
struct Column {
  std::string heading;
  std::string meaning;                                // one sentence; "" where the heading says it
  bool is_number;                                     // stands right
  std::function<std::string(const ResultRow&)> text;  // as it stands in the file; "" where there is nothing
};

// The columns that have something to show. Those of routers' measures are left out where no row has any.
std::vector<Column> columns_of(const Results& results);

// 0.9714 as "97.1%".
std::string percent_text(double share);

}  // namespace quiver
