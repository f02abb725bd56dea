#include <algorithm>

#include "kernels/attention.h"

namespace quiver {
namespace {

// Rotates the first 2 * pairs dimensions of (T, heads, head_dim) by angles (T, pairs), in x's type.
at::Tensor rotate(const at::Tensor& x, const RotaryAngles& angles) {
  const at::Tensor cos = angles.cos.unsqueeze(1).to(x.scalar_type());
  const at::Tensor sin = angles.sin.unsqueeze(1).to(x.scalar_type());
  const std::int64_t pairs = cos.size(-1);
  const std::vector<at::Tensor> parts = x.split_with_sizes({pairs, pairs, x.size(-1) - 2 * pairs}, -1);
  return at::cat({parts[0] * cos - parts[1] * sin, parts[1] * cos + parts[0] * sin, parts[2]}, -1);
}

// One sequence: query (n, H, hd), key and value (m, KV, hd) with m >= n; the queries are the last n
// positions.
at::Tensor attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  const AttentionShape& shape) {
  const std::int64_t n = query.size(0), m = key.size(0);
  const std::int64_t group = shape.heads / shape.kv_heads;
  const at::Tensor keys = key.repeat_interleave(group, 1).transpose(0, 1).to(at::kFloat);  // (H, m, hd)
  const at::Tensor values = value.repeat_interleave(group, 1).transpose(0, 1);             // (H, m, hd)
  const at::Tensor scores =
      at::matmul(query.transpose(0, 1).to(at::kFloat), keys.transpose(1, 2)) * shape.scale;
  const auto integers = at::TensorOptions().dtype(at::kLong).device(query.device());
  const at::Tensor distance =
      (at::arange(m - n, m, integers).unsqueeze(1) - at::arange(m, integers).unsqueeze(0));  // (n, m) q - k
  at::Tensor hidden = distance < 0;
  if (shape.window > 0) hidden = hidden.logical_or(distance >= shape.window);
  const at::Tensor weights = at::softmax(scores.masked_fill(hidden, -INFINITY), -1).to(query.scalar_type());
  return at::matmul(weights, values).transpose(0, 1).reshape({n, shape.query_width()});
}

struct QueryKeyValue {
  at::Tensor query, key, value;  // (T, H, hd), (T, KV, hd), (T, KV, hd)
};

QueryKeyValue split(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                    const AttentionShape& shape) {
  const std::vector<at::Tensor> parts =
      qkv.split_with_sizes({shape.query_width(), shape.kv_width(), shape.kv_width()}, -1);
  QueryKeyValue result{parts[0].reshape({-1, shape.heads, shape.head_dim}),
                       parts[1].reshape({-1, shape.kv_heads, shape.head_dim}),
                       parts[2].reshape({-1, shape.kv_heads, shape.head_dim})};
  if (rotary) {
    result.query = rotate(result.query, *rotary);
    result.key = rotate(result.key, *rotary);
  }
  return result;
}

// Writes `added` (n, KV, hd), keys (0) or values (1), behind what is cached, and returns all of them,
// (positions, KV, hd).
at::Tensor cached(const KeyValueCache& cache, std::int64_t which, const at::Tensor& added) {
  std::vector<at::Tensor> pages;
  for (const at::Tensor& page : cache.pages) {
    const at::Tensor own =
        page.select(0, cache.layer).select(0, which).transpose(0, 1);  // (positions, KV, hd)
    const std::int64_t first = static_cast<std::int64_t>(pages.size()) * own.size(0) - cache.length;
    const std::int64_t begin = std::max<std::int64_t>(first, 0);
    const std::int64_t end = std::min(first + own.size(0), added.size(0));
    if (begin < end) own.slice(0, begin - first, end - first).copy_(added.slice(0, begin, end));
    pages.push_back(own);
  }
  return at::cat(pages);
}

}  // namespace

at::Tensor ragged_attention_reference(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                                      const std::vector<std::int64_t>& offsets, const AttentionShape& shape) {
  const QueryKeyValue parts = split(qkv, rotary, shape);
  std::vector<at::Tensor> outputs;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::int64_t begin = offsets[s], end = offsets[s + 1];
    outputs.push_back(attend(parts.query.slice(0, begin, end), parts.key.slice(0, begin, end),
                             parts.value.slice(0, begin, end), shape));
  }
  return at::cat(outputs);
}

at::Tensor cached_attention_reference(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                                      const std::vector<std::int64_t>& offsets,
                                      std::span<const KeyValueCache> caches, const AttentionShape& shape) {
  const QueryKeyValue parts = split(qkv, rotary, shape);
  std::vector<at::Tensor> outputs;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::int64_t begin = offsets[s], end = offsets[s + 1];
    const KeyValueCache& cache = caches[s];
    const std::int64_t filled = cache.length + end - begin;
    outputs.push_back(attend(parts.query.slice(0, begin, end),
                             cached(cache, 0, parts.key.slice(0, begin, end)).slice(0, 0, filled),
                             cached(cache, 1, parts.value.slice(0, begin, end)).slice(0, 0, filled), shape));
  }
  return at::cat(outputs);
}

}  // namespace quiver
