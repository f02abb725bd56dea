#pragma once

#include <cmath>
#include <cstdint>

namespace quiver {

// The numbers of the k largest of `count` values (1 <= k <= count), largest first, equal ones by number, into
// `chosen`. NaN is below everything, so that the order is total.
template <typename Index>
void choose_largest(const float* values, std::int64_t count, std::int64_t k, Index* chosen) {
  const auto above = [&](std::int64_t i, std::int64_t j) {
    return values[i] > values[j] || (std::isnan(values[j]) && !std::isnan(values[i]));
  };
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (kept == k && !above(i, static_cast<std::int64_t>(chosen[k - 1]))) continue;
    std::int64_t position = kept < k ? kept++ : k - 1;
    for (; position > 0 && above(i, static_cast<std::int64_t>(chosen[position - 1])); --position)
      chosen[position] = chosen[position - 1];
    chosen[position] = static_cast<Index>(i);
  }
}

}  // namespace quiver
