#include "kernels/attention.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "kernels/fused.h"
#include "kernels/head_attention.h"
#include "kernels/row_loops.h"
#include "kernels/token_attention.h"

namespace quiver {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Runs `work(item, scratch)` for every item; threads take items as they become free, since sequences differ
// in length.
void for_each_item(std::int64_t items, std::int64_t scratch_floats,
                   const std::function<void(std::int64_t, float*)>& work) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t threads = std::min<std::int64_t>(at::get_num_threads(), items);
  at::parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t thread = begin; thread < end; ++thread) {
      std::unique_ptr<float[]> scratch(new float[static_cast<std::size_t>(scratch_floats)]);
      for (std::int64_t item = next++; item < items; item = next++) work(item, scratch.get());
    }
  });
}

// Rotates the query and key heads of every row of qkv (T, qkv_width) in place.
void rotate_rows(float* qkv, std::int64_t rows, const RotaryAngles& rotary, const AttentionShape& shape,
                 float direction) {
  const float* cos = rotary.cos.const_data_ptr<float>();
  const float* sin = rotary.sin.const_data_ptr<float>();
  const std::int64_t width = shape.qkv_width(), half = rotary.cos.size(1);
  at::parallel_for(0, rows, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t head = 0; head < shape.heads + shape.kv_heads; ++head) {
        row_loops::rotate_half(qkv + row * width + head * shape.head_dim, cos + row * half, sin + row * half,
                               half, direction);
      }
    }
  });
}

std::int64_t longest(const std::vector<std::int64_t>& offsets) {
  std::int64_t length = 0;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) length = std::max(length, offsets[s + 1] - offsets[s]);
  return length;
}

HeadGroup group_in_rows(const float* qkv, const std::vector<std::int64_t>& offsets, std::int64_t sequence,
                        std::int64_t kv_head, const AttentionShape& shape) {
  const std::int64_t begin = offsets[sequence], width = shape.qkv_width();
  const float* row = qkv + begin * width;
  const std::int64_t group_width = shape.query_width() / shape.kv_heads;
  const std::int64_t length = offsets[sequence + 1] - begin;
  return {row + kv_head * group_width,
          row + shape.query_width() + kv_head * shape.head_dim,
          row + shape.query_width() + shape.kv_width() + kv_head * shape.head_dim,
          width,
          width,
          length,
          length};
}

// One sequence of a batch with its cache.
class CachedSequence {
 public:
  CachedSequence(const KeyValueCache& cache, const AttentionShape& shape, std::int64_t rows)
      : shape_(shape), past_(cache.length), rows_(rows) {
    for (const at::Tensor& page : cache.pages)
      pages_.push_back(const_cast<float*>(page.const_data_ptr<float>()));
    positions_ = cache.pages.empty() ? 1 : cache.pages[0].size(3);
    head_size_ = positions_ * shape.head_dim;
    begin_ = cache.layer * 2 * shape.kv_heads * head_size_;
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t keys() const { return past_ + rows_; }
  // Whether keys and values lie in pages only: those of a sequence that begins lie in its rows too.
  bool needs_copy() const { return past_ > 0 && rows_ > 1; }

  row_loops::HeadPages head(std::int64_t kv_head) const {
    const std::int64_t keys = begin_ + kv_head * head_size_;
    return {pages_.data(), positions_, keys, keys + shape_.kv_heads * head_size_};
  }

  // Writes the keys and values of its rows (rows, qkv_width) behind what is cached.
  void append(const float* qkv) const {
    const std::int64_t dim = shape_.head_dim;
    for (std::int64_t row = 0; row < rows_; ++row) {
      const std::int64_t position = past_ + row, at = position % positions_ * dim;
      float* page = pages_[static_cast<std::size_t>(position / positions_)];
      const float* source = qkv + row * shape_.qkv_width() + shape_.query_width();
      for (std::int64_t head = 0; head < shape_.kv_heads; ++head, source += dim) {
        const row_loops::HeadPages own = this->head(head);
        std::copy_n(source, dim, page + own.keys + at);
        std::copy_n(source + shape_.kv_width(), dim, page + own.values + at);
      }
    }
  }

  // Lays all keys and values of a head side by side into `to`, and lets `group` read them there.
  void copy(std::int64_t kv_head, float* to, HeadGroup& group) const {
    const std::int64_t dim = shape_.head_dim;
    const row_loops::HeadPages own = head(kv_head);
    float* values = to + keys() * dim;
    for (std::int64_t begin = 0; begin < keys(); begin += positions_) {
      const std::int64_t some = std::min(positions_, keys() - begin) * dim;
      const float* page = pages_[static_cast<std::size_t>(begin / positions_)];
      std::copy_n(page + own.keys, some, to + begin * dim);
      std::copy_n(page + own.values, some, values + begin * dim);
    }
    group.key = to;
    group.value = values;
    group.key_stride = dim;
    group.keys = keys();
  }

 private:
  const AttentionShape& shape_;
  std::int64_t past_, rows_, positions_, head_size_, begin_;
  std::vector<float*> pages_;
};

class RaggedAttention : public torch::autograd::Function<RaggedAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::optional<RotaryAngles>& rotary,
                            const std::vector<std::int64_t>& offsets, const AttentionShape& shape) {
    const std::int64_t rows = qkv.size(0), sequences = static_cast<std::int64_t>(offsets.size()) - 1;
    auto* qkv_data = const_cast<float*>(qkv.const_data_ptr<float>());
    if (rotary) rotate_rows(qkv_data, rows, *rotary, shape, 1.0f);
    at::Tensor out = at::empty({rows, shape.query_width()}, qkv.options());
    at::Tensor lse = at::empty({rows, shape.heads}, qkv.options());
    float* out_data = out.mutable_data_ptr<float>();
    float* lse_data = lse.mutable_data_ptr<float>();
    const std::int64_t group_heads = shape.heads / shape.kv_heads;
    for_each_item(sequences * shape.kv_heads, std::max(kRowBlock, group_heads) * longest(offsets),
                  [&](std::int64_t item, float* scratch) {
                    const std::int64_t sequence = item / shape.kv_heads, kv_head = item % shape.kv_heads;
                    const HeadGroup group = group_in_rows(qkv_data, offsets, sequence, kv_head, shape);
                    const std::int64_t row = offsets[sequence], head = kv_head * group_heads;
                    if (group.rows == 0) return;
                    attend_forward(group, shape, group_heads,
                                   out_data + row * shape.query_width() + head * shape.head_dim,
                                   shape.query_width(), lse_data + row * shape.heads + head, shape.heads,
                                   scratch);
                  });
    context->save_for_backward(
        {qkv, out, lse, rotary ? rotary->cos : at::Tensor(), rotary ? rotary->sin : at::Tensor()});
    context->saved_data["offsets"] = offsets;
    context->saved_data["heads"] = shape.heads;
    context->saved_data["kv_heads"] = shape.kv_heads;
    context->saved_data["head_dim"] = shape.head_dim;
    context->saved_data["scale"] = shape.scale;
    context->saved_data["window"] = shape.window;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& qkv = saved[0];
    const std::vector<std::int64_t> offsets = context->saved_data["offsets"].toIntVector();
    const AttentionShape shape{context->saved_data["heads"].toInt(), context->saved_data["kv_heads"].toInt(),
                               context->saved_data["head_dim"].toInt(),
                               context->saved_data["scale"].toDouble(),
                               context->saved_data["window"].toInt()};
    const at::Tensor dout = gradients[0].contiguous();
    at::Tensor dqkv = at::empty_like(qkv);
    float* dqkv_data = dqkv.mutable_data_ptr<float>();
    const float* qkv_data = qkv.const_data_ptr<float>();
    const float* out_data = saved[1].const_data_ptr<float>();
    const float* lse_data = saved[2].const_data_ptr<float>();
    const float* dout_data = dout.const_data_ptr<float>();
    const std::int64_t sequences = static_cast<std::int64_t>(offsets.size()) - 1;
    const std::int64_t group_heads = shape.heads / shape.kv_heads, width = shape.qkv_width();
    for_each_item(sequences * shape.kv_heads, 2 * kRowBlock * longest(offsets),
                  [&](std::int64_t item, float* scratch) {
                    const std::int64_t sequence = item / shape.kv_heads, kv_head = item % shape.kv_heads;
                    const HeadGroup group = group_in_rows(qkv_data, offsets, sequence, kv_head, shape);
                    const std::int64_t row = offsets[sequence], head = kv_head * group_heads;
                    const std::int64_t at_out = row * shape.query_width() + head * shape.head_dim;
                    float* drow = dqkv_data + row * width;
                    const BackwardPointers pointers{
                        out_data + at_out,
                        dout_data + at_out,
                        lse_data + row * shape.heads + head,
                        drow + head * shape.head_dim,
                        drow + shape.query_width() + kv_head * shape.head_dim,
                        drow + shape.query_width() + shape.kv_width() + kv_head * shape.head_dim,
                        shape.query_width(),
                        shape.heads,
                        width};
                    for (std::int64_t r = 0; r < group.rows; ++r) {
                      std::fill_n(pointers.dkey + r * width, shape.head_dim, 0.0f);
                      std::fill_n(pointers.dvalue + r * width, shape.head_dim, 0.0f);
                    }
                    attend_backward(group, shape, group_heads, pointers, scratch);
                  });
    if (saved[3].defined()) {
      rotate_rows(dqkv_data, dqkv.size(0), {saved[3], saved[4]}, shape, -1.0f);
    }
    return {dqkv, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor ragged_attention(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                            const std::vector<std::int64_t>& offsets, const AttentionShape& shape) {
  if (!fused_kernel_applies(qkv)) return ragged_attention_reference(qkv, rotary, offsets, shape);
  return RaggedAttention::apply(qkv, rotary, offsets, shape);
}

at::Tensor cached_attention(const at::Tensor& qkv, const std::optional<RotaryAngles>& rotary,
                            const std::vector<std::int64_t>& offsets, std::span<const KeyValueCache> caches,
                            const AttentionShape& shape) {
  if (!fused_kernel_applies(qkv)) return cached_attention_reference(qkv, rotary, offsets, caches, shape);
  auto* qkv_data = const_cast<float*>(qkv.const_data_ptr<float>());
  if (rotary) rotate_rows(qkv_data, qkv.size(0), *rotary, shape, 1.0f);
  std::vector<CachedSequence> sequences;
  std::int64_t most_keys = 0, most_copied = 0;
  for (std::size_t s = 0; s < caches.size(); ++s) {
    sequences.emplace_back(caches[s], shape, offsets[s + 1] - offsets[s]);
    sequences[s].append(qkv_data + offsets[s] * shape.qkv_width());
    most_keys = std::max(most_keys, sequences[s].keys());
    if (sequences[s].needs_copy()) most_copied = std::max(most_copied, sequences[s].keys());
  }
  at::Tensor out = at::empty({qkv.size(0), shape.query_width()}, qkv.options());
  float* out_data = out.mutable_data_ptr<float>();
  const std::int64_t group_heads = shape.heads / shape.kv_heads;
  const auto out_of = [&](std::int64_t sequence, std::int64_t kv_head) {
    return out_data + offsets[sequence] * shape.query_width() + kv_head * group_heads * shape.head_dim;
  };
  // The heads [first, last) of a group of one row.
  const auto attend_one_row = [&](std::int64_t sequence, std::int64_t kv_head, std::int64_t first,
                                  std::int64_t last, float* scores) {
    const CachedSequence& cached = sequences[static_cast<std::size_t>(sequence)];
    const HeadGroup group = group_in_rows(qkv_data, offsets, sequence, kv_head, shape);
    const std::int64_t end = cached.keys();
    const std::int64_t begin = shape.window > 0 ? std::max<std::int64_t>(0, end - shape.window) : 0;
    row_loops::attend_token(group.query + first * shape.head_dim, last - first, cached.head(kv_head), begin,
                            end, shape.head_dim, static_cast<float>(shape.scale), scores,
                            out_of(sequence, kv_head) + first * shape.head_dim);
  };
  const auto count = static_cast<std::int64_t>(caches.size());
  if (longest(offsets) == 1) {
    // Decoding: a thread takes a range of heads, which are few.
    at::parallel_for(
        0, count * shape.heads, row_grain(2 * most_keys * shape.head_dim),
        [&](std::int64_t begin, std::int64_t end) {
          const std::unique_ptr<float[]> scores(new float[static_cast<std::size_t>(group_heads * most_keys)]);
          while (begin < end) {
            const std::int64_t sequence = begin / shape.heads, head = begin % shape.heads;
            const std::int64_t kv_head = head / group_heads, first = head % group_heads;
            const std::int64_t last = std::min(group_heads, first + end - begin);
            if (sequences[static_cast<std::size_t>(sequence)].rows() == 1)
              attend_one_row(sequence, kv_head, first, last, scores.get());
            begin += last - first;
          }
        });
    return out;
  }
  const std::int64_t scores_size = std::max(kRowBlock, group_heads) * most_keys;
  for_each_item(count * shape.kv_heads, scores_size + 2 * most_copied * shape.head_dim,
                [&](std::int64_t item, float* scratch) {
                  const std::int64_t sequence = item / shape.kv_heads, kv_head = item % shape.kv_heads;
                  const CachedSequence& cached = sequences[static_cast<std::size_t>(sequence)];
                  if (cached.rows() == 0) return;
                  if (cached.rows() == 1) {
                    attend_one_row(sequence, kv_head, 0, group_heads, scratch);
                    return;
                  }
                  HeadGroup group = group_in_rows(qkv_data, offsets, sequence, kv_head, shape);
                  if (cached.needs_copy()) cached.copy(kv_head, scratch + scores_size, group);
                  attend_forward(group, shape, group_heads, out_of(sequence, kv_head), shape.query_width(),
                                 nullptr, 0, scratch);
                });
  return out;
}

}  // namespace quiver
