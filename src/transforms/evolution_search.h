#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace quiver {

struct SearchOptions {
  std::size_t dimensions = 1;
  double bound = 1.5;             // every coordinate stays in [-bound, bound]
  double step = 0.5;              // standard deviation of the first changes
  std::int64_t evaluations = 40;  // of the function, the start's among them; at least 1
  std::uint64_t seed = 42;
};

struct SearchResult {
  std::vector<double> point;
  double value = 0;
};

// Makes `function` small from the origin, without gradients: the (1+1) evolution strategy with the one-fifth
// success rule (Rechenberg 1973; Beyer and Schwefel 2002, section 2.2). A change of all coordinates is kept
// where the value does not rise, and makes the next ones larger; one that is not kept makes them smaller.
// Values that are not finite are never kept, but for the start's. `on_evaluated` is told the number and the
// best value.
SearchResult evolution_search(const std::function<double(const std::vector<double>&)>& function,
                              const SearchOptions& options,
                              const std::function<void(std::int64_t, double)>& on_evaluated = {});

}  // namespace quiver
