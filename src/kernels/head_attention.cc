#include "kernels/head_attention.h"

#include <algorithm>

#include "kernels/gemm.h"
#include "kernels/row_loops.h"

namespace quiver {
namespace {

// The keys that query rows [row_begin, row_end) see at all.
struct KeyRange {
  std::int64_t begin, end;

  // Of the scores (rows, end - begin) of those rows: row i sees the keys up to its own position.
  LowerTriangle triangle(LowerTriangle::Of matrix, std::int64_t rows) const {
    return {matrix, end - begin - rows};
  }
};

KeyRange key_range(const HeadGroup& group, std::int64_t row_begin, std::int64_t row_end,
                   std::int64_t window) {
  const std::int64_t past = group.keys - group.rows;
  const std::int64_t begin = window > 0 ? std::max<std::int64_t>(0, past + row_begin - window + 1) : 0;
  return {begin, past + row_end};
}

}  // namespace

void attend_forward(const HeadGroup& group, const AttentionShape& shape, std::int64_t group_heads, float* out,
                    std::int64_t out_stride, float* lse, std::int64_t lse_stride, float* scores) {
  const std::int64_t past = group.keys - group.rows;
  const auto scale = static_cast<float>(shape.scale);
  for (std::int64_t head = 0; head < group_heads; ++head) {
    for (std::int64_t row_begin = 0; row_begin < group.rows; row_begin += kRowBlock) {
      const std::int64_t row_end = std::min(group.rows, row_begin + kRowBlock);
      const KeyRange range = key_range(group, row_begin, row_end, shape.window);
      const std::int64_t count = range.end - range.begin;
      gemm(Transpose::kNo, Transpose::kYes, row_end - row_begin, count, shape.head_dim,
           group.query + row_begin * group.query_stride + head * shape.head_dim, group.query_stride,
           group.key + range.begin * group.key_stride, group.key_stride, scores, count, Update::kSet,
           range.triangle(LowerTriangle::Of::kC, row_end - row_begin));
      for (std::int64_t row = row_begin; row < row_end; ++row) {
        float* line = scores + (row - row_begin) * count;
        const KeyRange seen = key_range(group, row, row + 1, shape.window);
        const std::int64_t first = seen.begin - range.begin, last = past + row + 1 - range.begin;
        const float row_lse = row_loops::softmax(line + first, last - first, scale);
        std::fill(line, line + first, 0.0f);
        std::fill(line + last, line + count, 0.0f);
        if (lse != nullptr) lse[row * lse_stride + head] = row_lse;
      }
      gemm(Transpose::kNo, Transpose::kNo, row_end - row_begin, shape.head_dim, count, scores, count,
           group.value + range.begin * group.key_stride, group.key_stride,
           out + row_begin * out_stride + head * shape.head_dim, out_stride, Update::kSet,
           range.triangle(LowerTriangle::Of::kA, row_end - row_begin));
    }
  }
}

void attend_backward(const HeadGroup& group, const AttentionShape& shape, std::int64_t group_heads,
                     const BackwardPointers& at, float* scratch) {
  const std::int64_t dim = shape.head_dim;
  const auto scale = static_cast<float>(shape.scale);
  float* weights = scratch;
  float* dweights = scratch + kRowBlock * group.keys;
  for (std::int64_t head = 0; head < group_heads; ++head) {
    for (std::int64_t row_begin = 0; row_begin < group.rows; row_begin += kRowBlock) {
      const std::int64_t row_end = std::min(group.rows, row_begin + kRowBlock);
      const std::int64_t rows = row_end - row_begin;
      const KeyRange range = key_range(group, row_begin, row_end, shape.window);
      const std::int64_t count = range.end - range.begin;
      const float* query = group.query + row_begin * group.query_stride + head * dim;
      const float* key = group.key + range.begin * group.key_stride;
      const float* dout = at.dout + row_begin * at.out_stride + head * dim;
      const LowerTriangle wanted = range.triangle(LowerTriangle::Of::kC, rows);
      const LowerTriangle nonzero = range.triangle(LowerTriangle::Of::kA, rows);
      gemm(Transpose::kNo, Transpose::kYes, rows, count, dim, query, group.query_stride, key,
           group.key_stride, weights, count, Update::kSet, wanted);
      gemm(Transpose::kNo, Transpose::kYes, rows, count, dim, dout, at.out_stride,
           group.value + range.begin * group.key_stride, group.key_stride, dweights, count, Update::kSet,
           wanted);
      for (std::int64_t row = row_begin; row < row_end; ++row) {
        float* line = weights + (row - row_begin) * count;
        float* dline = dweights + (row - row_begin) * count;
        const KeyRange seen = key_range(group, row, row + 1, shape.window);
        const std::int64_t first = seen.begin - range.begin, last = seen.end - range.begin;
        const std::int64_t at_row = row * at.out_stride + head * dim;
        const float delta = row_loops::dot(at.out + at_row, at.dout + at_row, dim);
        row_loops::softmax_from_lse(line + first, last - first, scale, at.lse[row * at.lse_stride + head]);
        row_loops::softmax_backward(line + first, dline + first, last - first, delta, scale);
        for (float* buffer : {line, dline}) {
          std::fill(buffer, buffer + first, 0.0f);
          std::fill(buffer + last, buffer + count, 0.0f);
        }
      }
      gemm(Transpose::kYes, Transpose::kNo, count, dim, rows, weights, count, dout, at.out_stride,
           at.dvalue + range.begin * at.dkey_stride, at.dkey_stride, Update::kAdd, nonzero);
      gemm(Transpose::kNo, Transpose::kNo, rows, dim, count, dweights, count, key, group.key_stride,
           at.dquery + row_begin * group.query_stride + head * dim, group.query_stride, Update::kSet,
           nonzero);
      gemm(Transpose::kYes, Transpose::kNo, count, dim, rows, dweights, count, query, group.query_stride,
           at.dkey + range.begin * at.dkey_stride, at.dkey_stride, Update::kAdd, nonzero);
    }
  }
}

}  // namespace quiver
