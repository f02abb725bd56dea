#pragma once

#include <cstdint>

namespace quiver::row_loops {

// What one key/value head holds of a sequence, in pages: position p has its key at
// pages[p / positions] + keys + p % positions * dim, and its value in the same way at `values`.
struct HeadPages {
  const float* const* pages;
  std::int64_t positions;  // of a page
  std::int64_t keys, values;
};

// The heads of one token that read the same key/value head: out (heads, dim) = softmax(scale q k^T) v with
// q (heads, dim), over the positions [begin, end), which are some. `scores` (heads, end - begin) is scratch.
// Plain pointers, the calling thread alone. A matrix product takes longer to start than this to run.
void attend_token(const float* query, std::int64_t heads, const HeadPages& cached, std::int64_t begin,
                  std::int64_t end, std::int64_t dim, float scale, float* scores, float* out);

}  // namespace quiver::row_loops
