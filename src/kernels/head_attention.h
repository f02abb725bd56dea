#pragma once

#include <cstdint>

#include "kernels/attention.h"

namespace quiver {

// The heads of one sequence that read one key/value head, by matrix products over blocks of rows. Plain
// pointers, the calling thread alone.

constexpr std::int64_t kRowBlock = 64;  // query rows that share one score block; measured best of 32, 64, 128

// Queries of one key/value head group of one sequence, and what they attend to.
struct HeadGroup {
  const float*
      query;         // first row, first head of the group; rows are query_stride apart, heads head_dim apart
  const float* key;  // position 0 of this head
  const float* value;
  std::int64_t query_stride;
  std::int64_t key_stride;  // between positions, for keys and values alike
  std::int64_t rows;        // queries: the last `rows` of `keys` positions
  std::int64_t keys;
};

// out (rows, group heads) = softmax(scale q k^T) v; lse, when given, receives the rows' log-sum-exp,
// `lse_stride` apart, one column per head of the group. `scores` (kRowBlock, keys) is
// scratch.
void attend_forward(const HeadGroup& group, const AttentionShape& shape, std::int64_t group_heads, float* out,
                    std::int64_t out_stride, float* lse, std::int64_t lse_stride, float* scores);

struct BackwardPointers {
  const float* out;   // forward result, (rows, stride out_stride)
  const float* dout;  // its gradient, same layout
  const float* lse;   // (rows, stride lse_stride)
  float* dquery;      // same layout as the queries
  float* dkey;        // accumulated; rows dkey_stride apart
  float* dvalue;
  std::int64_t out_stride, lse_stride, dkey_stride;
};

// Gradients of attend_forward from a recomputation of the weights (Dao et al. 2022, algorithm 4).
// `scratch` (2, kRowBlock, keys).
void attend_backward(const HeadGroup& group, const AttentionShape& shape, std::int64_t group_heads,
                     const BackwardPointers& at, float* scratch);

}  // namespace quiver
