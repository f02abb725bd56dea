#pragma once

#include <cstdint>

namespace quiver::row_loops {

// The heads of one token that read the same key/value head: out (heads, dim) = softmax(scale q k^T) v with
// q (heads, dim), keys and values (count, dim) whose rows are `stride` floats apart, count >= 1.
// `scores` (heads, count) is scratch. Plain pointers, the calling thread alone. A matrix product takes longer
// to start than this to run.
void attend_token(const float* query, std::int64_t heads, const float* keys, const float* values,
                  std::int64_t stride, std::int64_t count, std::int64_t dim, float scale, float* scores,
                  float* out);

}  // namespace quiver::row_loops
