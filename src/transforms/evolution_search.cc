#include "transforms/evolution_search.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

namespace quiver {

SearchResult evolution_search(const std::function<double(const std::vector<double>&)>& function,
                              const SearchOptions& options,
                              const std::function<void(std::int64_t, double)>& on_evaluated) {
  // One success in five changes leaves the step as it is.
  const double growth = std::exp(1.0 / 3), shrinkage = std::exp(-1.0 / 12);
  at::Generator generator = at::detail::createCPUGenerator(options.seed);
  SearchResult best{std::vector<double>(options.dimensions), 0};
  best.value = function(best.point);
  if (on_evaluated) on_evaluated(1, best.value);
  double step = options.step;
  for (std::int64_t number = 2; number <= options.evaluations; ++number) {
    const at::Tensor noise =
        at::randn({static_cast<std::int64_t>(options.dimensions)}, generator, at::kDouble);
    std::vector<double> point = best.point;
    for (std::size_t i = 0; i < point.size(); ++i) {
      point[i] =
          std::clamp(point[i] + step * noise.const_data_ptr<double>()[i], -options.bound, options.bound);
    }
    const double value = function(point);
    const bool succeeds = value <= best.value && std::isfinite(value);
    if (succeeds) best = {std::move(point), value};
    step *= succeeds ? growth : shrinkage;
    if (on_evaluated) on_evaluated(number, best.value);
  }
  return best;
}

}  // namespace quiver
