#pragma once

#include <cstdint>

namespace quiver::row_loops {

// The heads of one token that read the same key/value head, `stride` floats between positions:
// out (heads, dim) = softmax(scale q k^T) v with q (heads, dim), `count` >= 1 keys and values (count, dim).
// `scores` is scratch for heads * count
// floats. Plain pointers, the calling thread alone. A matrix product
// takes longer to start than this to run.
void attend_token(const float* query, std::int64_t heads, const float* keys, const float* values,
                  std::int64_t stride, std::int64_t count, std::int64_t dim, float scale, float* scores,
                  float* out);

}  // namespace quiver::row_loops
