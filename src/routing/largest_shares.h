#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace quiver {

// The top_k largest of p (E) float64, heaviest first, of sum 1; shares under 1% left out. top_k <= 0: all.
std::vector<std::pair<std::size_t, double>> largest_shares(const at::Tensor& p, std::int64_t top_k);

}  // namespace quiver
