#pragma once

#include <cstdint>

namespace quiver {

// to[c * to_stride + r] = from[r * from_stride + c] for r < rows, c < columns. The calling thread alone;
// `from` and `to` do not overlap.
void transpose(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns,
               float* to, std::int64_t to_stride);

}  // namespace quiver
