#include "kernels/attention.h"
#include "kernels/norm.h"
#include "kernels/swiglu.h"
#include "model/decoder.h"

namespace quiver {
namespace {

at::Tensor normalise(const at::Tensor& x, const NormWeights& norm, const DecoderConfig& config) {
  if (config.norm == NormKind::kRmsNorm) return rms_norm(x, norm.weight, config.norm_eps);
  return at::layer_norm(x, {config.hidden}, norm.weight, norm.bias, config.norm_eps);
}

// Position of every token in its sequence, cached tokens counted.
std::vector<std::int64_t> token_positions(const RaggedBatch& batch, std::span<SequenceCache* const> caches) {
  std::vector<std::int64_t> positions;
  positions.reserve(batch.ids.size());
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const std::int64_t past = caches.empty() ? 0 : caches[static_cast<std::size_t>(s)]->length();
    const std::int64_t length = batch.offsets[s + 1] - batch.offsets[s];
    for (std::int64_t i = 0; i < length; ++i) positions.push_back(past + i);
  }
  return positions;
}

void check_batch(const RaggedBatch& batch, std::span<SequenceCache* const> caches, const ModelShape& shape) {
  for (const std::int32_t id : batch.ids) {
    if (id < 0 || id >= shape.vocabulary) {
      throw Error(ErrorKind::kInvalidArgument, "token id " + std::to_string(id) +
                                                   " is outside the vocabulary of " +
                                                   std::to_string(shape.vocabulary));
    }
  }
  if (!caches.empty() && static_cast<std::int64_t>(caches.size()) != batch.sequences()) {
    throw Error(ErrorKind::kInvalidArgument, std::to_string(batch.sequences()) + " sequences with " +
                                                 std::to_string(caches.size()) + " caches");
  }
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const std::int64_t length = batch.offsets[s + 1] - batch.offsets[s];
    const std::int64_t past = caches.empty() ? 0 : caches[static_cast<std::size_t>(s)]->length();
    if (past + length > shape.max_positions) {
      throw Error(ErrorKind::kInvalidArgument,
                  "a sequence of " + std::to_string(past + length) + " tokens is longer than the model's " +
                      std::to_string(shape.max_positions) + " positions",
                  "shorten the input: max_input_length, or --max-new-tokens");
    }
    if (!caches.empty() && past + length > caches[static_cast<std::size_t>(s)]->capacity()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "a cache for " + std::to_string(caches[static_cast<std::size_t>(s)]->capacity()) +
                      " tokens was given " + std::to_string(past + length));
    }
  }
}

}  // namespace

at::Tensor BaseModel::forward(const RaggedBatch& batch, const LinearAdapter* adapter,
                              std::span<SequenceCache* const> caches) const {
  const Parts& parts = *parts_;
  const DecoderConfig& config = parts.config;
  check_batch(batch, caches, parts.shape);
  const auto device = parts.state.device();
  std::vector<std::int64_t> positions = token_positions(batch, caches);
  const at::Tensor position_index = at::tensor(positions).to(device);  // (T)

  at::Tensor hidden = parts.embedding.rows(batch.ids);  // (T, D)
  std::optional<RotaryAngles> rotary;
  if (parts.rotary_cos.defined()) {
    rotary = RotaryAngles{parts.rotary_cos.index_select(0, position_index),
                          parts.rotary_sin.index_select(0, position_index)};
  } else {
    hidden = hidden + parts.positions.index_select(0, position_index);
  }

  const auto adapted = [&](std::int64_t layer, GroupKind kind, const at::Tensor& x, at::Tensor y) {
    if (adapter == nullptr) return y;
    return adapter->apply(parts.groups[layer * kGroupsPerLayer + static_cast<std::int64_t>(kind)], x,
                          std::move(y));
  };
  std::vector<KeyValueCache*> layer_caches(caches.size());
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const DecoderLayer& layer = parts.layers[static_cast<std::size_t>(i)];
    AttentionShape attention = config.attention;
    attention.window = config.windows[static_cast<std::size_t>(i)];

    at::Tensor x = normalise(hidden, layer.attention_norm, config);  // (T, D)
    at::Tensor qkv = adapted(i, GroupKind::kQkv, x, layer.qkv.apply(x));
    for (std::size_t s = 0; s < caches.size(); ++s)
      layer_caches[s] = &caches[s]->state_->layers[static_cast<std::size_t>(i)];
    at::Tensor context = caches.empty()
                             ? ragged_attention(qkv, rotary, batch.offsets, attention)
                             : cached_attention(qkv, rotary, batch.offsets, layer_caches, attention);
    hidden = adapted(i, GroupKind::kAttentionOut, context, layer.attention_out.add_to(hidden, context));

    x = normalise(hidden, layer.mlp_norm, config);
    const at::Tensor mlp_in = adapted(i, GroupKind::kMlpIn, x, layer.mlp_in.apply(x));
    const at::Tensor activated =
        config.mlp == MlpKind::kSwiGlu ? swiglu(mlp_in) : at::gelu(mlp_in, "tanh");  // (T, I)
    hidden = adapted(i, GroupKind::kMlpOut, activated, layer.mlp_out.add_to(hidden, activated));
  }
  for (std::size_t s = 0; s < caches.size(); ++s) {
    const std::int64_t added = batch.offsets[s + 1] - batch.offsets[s];
    for (KeyValueCache& layer : caches[s]->state_->layers) layer.length += added;
  }
  return normalise(hidden, parts.final_norm, config);
}

}  // namespace quiver
