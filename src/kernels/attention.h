#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace quiver {

// How one layer attends. Heads are grouped-query (Ainslie et al. 2023): query head h reads key/value head
// h / (heads / kv_heads).
struct AttentionShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  double scale = 1.0;
  std::int64_t window = 0;  // key k is seen from position q when q - window < k <= q; 0: every k <= q

  std::int64_t query_width() const { return heads * head_dim; }
  std::int64_t kv_width() const { return kv_heads * head_dim; }
  std::int64_t qkv_width() const { return query_width() + 2 * kv_width(); }
};

// Rotary position embedding (Su et al. 2021, section 3.2.2) for the rows of one batch: pairs are (i, i +
// pairs); a head's dimensions from 2 pairs on are left as they are.
struct RotaryAngles {
  at::Tensor cos;  // (T, pairs) float32, pairs <= head_dim / 2
  at::Tensor sin;  // (T, pairs) float32
};

// Keys and values of one sequence in one layer, within pages of all layers, in the model's type: (layers, 2,
// kv_heads, positions, head_dim), so that what a head reads of a page lies together.
struct KeyValueCache {
  std::span<const at::Tensor> pages;  // all of one shape, for length positions and those to come
  std::int64_t layer = 0;
  std::int64_t length = 0;  // positions already filled
};

// Causal self-attention over ragged sequences, without a cache. Differentiable in qkv.
// qkv (T, qkv_width): queries, keys, values of each token; its rows are rotated in place when `rotary` is
// given, so the caller must not use qkv afterwards. Sequence s owns rows offsets[s] .. offsets[s + 1].
// Returns (T, query_width).
at::Tensor ragged_attention(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                            const std::vector<std::int64_t>& offsets, const AttentionShape& shape);

// The same for inference with caches: sequence s's new keys and values are written behind caches[s].length
// (which the caller advances after the last layer), and its queries see everything cached before them.
at::Tensor cached_attention(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                            const std::vector<std::int64_t>& offsets, std::span<const KeyValueCache> caches,
                            const AttentionShape& shape);

// Plain ATen versions, for other types and devices and as the tests' reference. They leave qkv as it is.
at::Tensor ragged_attention_reference(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                                      const std::vector<std::int64_t>& offsets, const AttentionShape& shape);
at::Tensor cached_attention_reference(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                                      const std::vector<std::int64_t>& offsets,
                                      std::span<const KeyValueCache> caches, const AttentionShape& shape);

}  // namespace quiver
