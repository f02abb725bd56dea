#include <algorithm>
#include <functional>

#include "core/check.h"
#include "kernels/attention.h"
#include "kernels/norm.h"
#include "kernels/swiglu.h"
#include "model/decoder.h"

namespace quiver {
namespace {

at::Tensor normalize(const at::Tensor& x, const NormWeights& norm, const DecoderConfig& config) {
  if (config.norm == NormKind::kRmsNorm) return rms_norm(x, norm.weight, config.norm_eps);
  return at::layer_norm(x, {config.hidden}, norm.weight, norm.bias, config.norm_eps);
}

// Norms of every query and key head of qkv (T, qkv_width).
at::Tensor normalize_heads(const at::Tensor& qkv, const DecoderLayer& layer, const DecoderConfig& config) {
  if (!layer.query_norm.weight.defined()) return qkv;
  const AttentionShape& shape = config.attention;
  std::vector<at::Tensor> parts =
      qkv.split_with_sizes({shape.query_width(), shape.kv_width(), shape.kv_width()}, 1);
  const NormWeights* norms[] = {&layer.query_norm, &layer.key_norm};
  for (std::size_t i = 0; i < 2; ++i) {
    const at::Tensor heads = parts[i].reshape({-1, shape.head_dim});
    parts[i] = normalize(heads, *norms[i], config).view(parts[i].sizes());
  }
  return at::cat(parts, 1);
}

at::Tensor activate(const at::Tensor& mlp_in, MlpKind kind) {
  switch (kind) {
    case MlpKind::kSwiGlu:
      return swiglu(mlp_in);
    case MlpKind::kGeGlu: {
      const std::vector<at::Tensor> halves = mlp_in.chunk(2, 1);
      return at::gelu(halves[0], "tanh") * halves[1];
    }
    case MlpKind::kGelu:
      return at::gelu(mlp_in, "tanh");
  }
  QUIVER_CHECK(false, "unknown activation");
}

// Whether each token's sequence is longer than `boundary`.
at::Tensor in_long_sequence(const RaggedBatch& batch, const std::vector<std::int64_t>& positions,
                            std::int64_t boundary) {
  std::vector<std::int64_t> is_long(positions.size());
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const auto begin = static_cast<std::size_t>(batch.offsets[s]),
               end = static_cast<std::size_t>(batch.offsets[s + 1]);
    if (begin == end) continue;
    std::fill(is_long.begin() + static_cast<std::ptrdiff_t>(begin),
              is_long.begin() + static_cast<std::ptrdiff_t>(end), positions[end - 1] >= boundary ? 1 : 0);
  }
  return at::tensor(is_long);
}

// The angles of every token under each rotary embedding, in float32 as the reference computes them.
std::vector<RotaryAngles> rotary_angles(const std::vector<RotaryEmbedding>& embeddings,
                                        const RaggedBatch& batch, const std::vector<std::int64_t>& positions,
                                        const at::Tensor& position_index) {
  std::vector<RotaryAngles> angles;
  const at::Tensor position = position_index.to(at::kFloat).unsqueeze(1);  // (T, 1)
  for (const RotaryEmbedding& rotary : embeddings) {
    at::Tensor frequencies = rotary.frequencies;
    if (rotary.boundary > 0) {
      const at::Tensor is_long = in_long_sequence(batch, positions, rotary.boundary).to(position.device());
      frequencies = at::stack({rotary.frequencies, rotary.long_frequencies}).index_select(0, is_long);
    }
    const at::Tensor angle = position * frequencies;  // (T, pairs)
    angles.push_back({angle.cos(), angle.sin()});
    if (rotary.magnitude != 1) {
      angles.back().cos.mul_(rotary.magnitude);
      angles.back().sin.mul_(rotary.magnitude);
    }
  }
  return angles;
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

bool ascend_within(const std::vector<std::int64_t>& rows, std::int64_t tokens) {
  return std::ranges::adjacent_find(rows, std::greater_equal<>()) == rows.end() &&
         (rows.empty() || (rows.front() >= 0 && rows.back() < tokens));
}

void check_batch(const RaggedBatch& batch, std::span<SequenceCache* const> caches, const ModelShape& shape) {
  for (const std::int32_t id : batch.ids) {
    if (id < 0 || id >= shape.vocabulary) {
      throw Error(ErrorKind::kInvalidArgument, "token id " + std::to_string(id) +
                                                   " is outside the vocabulary of " +
                                                   std::to_string(shape.vocabulary));
    }
  }
  if (batch.rows && !ascend_within(*batch.rows, batch.tokens())) {
    throw Error(ErrorKind::kInvalidArgument,
                "the rows of a batch must ascend within its " + std::to_string(batch.tokens()) + " tokens");
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
    if (past > 0 && past <= shape.cache_boundary && past + length > shape.cache_boundary) {
      throw Error(ErrorKind::kInvalidArgument,
                  "a cache of " + std::to_string(past) + " tokens cannot grow to " +
                      std::to_string(past + length) + ": beyond " + std::to_string(shape.cache_boundary) +
                      " tokens the model's positions change",
                  "run the whole sequence again with a new cache");
    }
    if (!caches.empty() && past + length > caches[static_cast<std::size_t>(s)]->capacity()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "a cache for " + std::to_string(caches[static_cast<std::size_t>(s)]->capacity()) +
                      " tokens was given " + std::to_string(past + length));
    }
  }
}

}  // namespace

void BaseModel::run_layers(const RaggedBatch& batch, ResidualStream& stream, std::int64_t end,
                           const LinearAdapter* adapter, std::span<SequenceCache* const> caches,
                           const LayerObserver& observe) const {
  const Parts& parts = *parts_;
  const DecoderConfig& config = parts.config;
  check_batch(batch, caches, parts.shape);
  const auto device = parts.state.device();
  std::vector<std::int64_t> positions = token_positions(batch, caches);
  const at::Tensor position_index = at::tensor(positions).to(device);  // (T)

  at::Tensor& hidden = stream.hidden;  // (T, D)
  if (!hidden.defined()) {
    hidden = parts.embedding.rows(batch.ids);
    if (config.embedding_scale != 1) hidden.mul_(at::scalar_tensor(config.embedding_scale, hidden.options()));
    if (parts.positions.defined()) hidden = hidden + parts.positions.index_select(0, position_index);
  }
  const std::vector<RotaryAngles> rotary = rotary_angles(config.rotary, batch, positions, position_index);

  // After its attention the last layer goes on with the wanted rows alone.
  const bool drops_rows = batch.rows && static_cast<std::int64_t>(batch.rows->size()) < batch.tokens();
  std::unique_ptr<const LinearAdapter> rows_adapter;

  const auto adapted = [&](std::int64_t layer, GroupKind kind, const at::Tensor& x, at::Tensor y) {
    if (adapter == nullptr) return y;
    return adapter->apply(parts.groups[layer * kGroupsPerLayer + static_cast<std::int64_t>(kind)], x,
                          std::move(y));
  };
  std::vector<KeyValueCache> layer_caches;
  for (std::size_t s = 0; s < caches.size(); ++s) {
    SequenceCache::State& cache = *caches[s]->state_;
    cache.reserve(cache.length + batch.offsets[s + 1] - batch.offsets[s]);
    layer_caches.push_back({cache.pages, 0, cache.length});
  }
  for (std::int64_t& i = stream.layer; i < end; ++i) {
    if (observe) observe(i, hidden);
    const DecoderLayer& layer = parts.layers[static_cast<std::size_t>(i)];
    AttentionShape attention = config.attention;
    attention.window = config.windows[static_cast<std::size_t>(i)];

    std::optional<RotaryAngles> angles;
    if (!rotary.empty()) {
      angles =
          rotary[config.rotary_of_layer.empty() ? 0 : config.rotary_of_layer[static_cast<std::size_t>(i)]];
    }

    at::Tensor x = normalize(hidden, layer.attention_norm, config);  // (T, D)
    const at::Tensor qkv = normalize_heads(adapted(i, GroupKind::kQkv, x, layer.qkv.apply(x)), layer, config);
    for (KeyValueCache& cache : layer_caches) cache.layer = i;
    at::Tensor context = caches.empty()
                             ? ragged_attention(qkv, angles, batch.offsets, attention)
                             : cached_attention(qkv, angles, batch.offsets, layer_caches, attention);
    if (drops_rows && i + 1 == config.layers) {
      const at::Tensor rows = at::tensor(*batch.rows).to(device);
      for (at::Tensor* state : {&context, &hidden}) *state = state->index_select(0, rows);
      if (config.block == BlockKind::kParallel) x = x.index_select(0, rows);
      if (adapter != nullptr) rows_adapter = adapter->for_rows(*batch.rows);
      if (rows_adapter) adapter = rows_adapter.get();
    }
    // The adapted branch, added to the residual stream.
    const auto join = [&](GroupKind kind, const StackedLinear& linear, const at::Tensor& input,
                          const NormWeights& norm) {
      if (config.block != BlockKind::kSandwich) return adapted(i, kind, input, linear.add_to(hidden, input));
      return hidden + normalize(adapted(i, kind, input, linear.apply(input)), norm, config);
    };
    hidden = join(GroupKind::kAttentionOut, layer.attention_out, context, layer.attention_out_norm);

    if (config.block != BlockKind::kParallel) x = normalize(hidden, layer.mlp_norm, config);
    const at::Tensor activated =
        activate(adapted(i, GroupKind::kMlpIn, x, layer.mlp_in.apply(x)), config.mlp);  // (T, I)
    hidden = join(GroupKind::kMlpOut, layer.mlp_out, activated, layer.mlp_out_norm);
  }
  if (end < config.layers) return;
  for (std::size_t s = 0; s < caches.size(); ++s) {
    caches[s]->state_->length += batch.offsets[s + 1] - batch.offsets[s];
  }
}

at::Tensor BaseModel::forward(const RaggedBatch& batch, const LinearAdapter* adapter,
                              std::span<SequenceCache* const> caches) const {
  const DecoderConfig& config = parts_->config;
  ResidualStream stream;
  run_layers(batch, stream, config.layers, adapter, caches, {});
  return normalize(stream.hidden, parts_->final_norm, config);
}

std::vector<at::Tensor> BaseModel::hidden_states(const RaggedBatch& batch,
                                                 std::span<const std::int64_t> layers,
                                                 const LinearAdapter* adapter) const {
  ResidualStream stream;
  return hidden_states(batch, layers, adapter, stream, {});
}

std::vector<at::Tensor> BaseModel::hidden_states(const RaggedBatch& batch,
                                                 std::span<const std::int64_t> layers,
                                                 const LinearAdapter* adapter, ResidualStream& stream,
                                                 std::span<SequenceCache* const> caches) const {
  const DecoderConfig& config = parts_->config;
  for (const std::int64_t layer : layers) {
    if (layer < 0 || layer > config.layers) {
      throw Error(ErrorKind::kInvalidArgument, "there are no hidden states of layer " +
                                                   std::to_string(layer) + ": the model has layers 0 to " +
                                                   std::to_string(config.layers) +
                                                   ", the last one after its norm");
    }
  }
  if (layers.empty()) return {};
  std::vector<at::Tensor> states(layers.size());
  const auto keep = [&](std::int64_t layer, const at::Tensor& state) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (layers[i] == layer) states[i] = state.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    }
  };
  QUIVER_CHECK(*std::ranges::min_element(layers) >= stream.layer, "the stream stands at ", stream.layer);
  const std::int64_t last = *std::ranges::max_element(layers);
  run_layers(batch, stream, last, adapter, caches, keep);
  keep(last, last == config.layers ? normalize(stream.hidden, parts_->final_norm, config) : stream.hidden);
  if (batch.rows) {
    const at::Tensor rows = at::tensor(*batch.rows).to(device());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (layers[i] < config.layers) states[i] = states[i].index_select(0, rows);
    }
  }
  return states;
}

}  // namespace quiver
