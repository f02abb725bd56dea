#include <ATen/core/grad_mode.h>

#include "core/log.h"
#include "model/decoder.h"
#include "model/weight_reader.h"

namespace quiver {
namespace {

// Lists the slots of one group and reads their weights as one stacked matrix.
StackedLinear read_group(WeightReader& reader, BaseModel::Parts& parts, const TensorNames& names,
                         std::int64_t layer,
                         const std::vector<std::pair<std::string, std::int64_t>>& paths_and_widths,
                         std::int64_t in) {
  LinearGroup group;
  group.index = static_cast<std::int64_t>(parts.groups.size());
  group.in = in;
  const bool has_bias = parts.config.has_bias[static_cast<std::size_t>(group.index % kGroupsPerLayer)];
  std::vector<FrozenMatrix> weights;
  std::vector<at::Tensor> biases;
  for (const auto& [pattern, out] : paths_and_widths) {
    const std::string path = TensorNames::at_layer(pattern, layer);
    weights.push_back(reader.read_matrix(path + ".weight", {out, in}, names.linear_weights_are_transposed));
    if (has_bias) biases.push_back(reader.read(path + ".bias", {out}));
    group.slots.push_back(static_cast<std::int64_t>(parts.slots.size()));
    parts.slots.push_back({path, layer, in, out, group.index, group.out});
    group.out += out;
  }
  parts.groups.push_back(group);
  return StackedLinear(FrozenMatrix::stack(weights), has_bias ? at::cat(biases) : at::Tensor());
}

NormWeights read_norm(WeightReader& reader, const DecoderConfig& config, const std::string& path,
                      std::int64_t width) {
  NormWeights norm;
  norm.weight = reader.read_with_offset(path + ".weight", {width}, config.norm_offset);
  if (config.norm == NormKind::kLayerNorm) norm.bias = reader.read(path + ".bias", {width});
  return norm;
}

DecoderLayer read_layer(WeightReader& reader, BaseModel::Parts& parts, const TensorNames& names,
                        std::int64_t layer) {
  const DecoderConfig& config = parts.config;
  const AttentionShape& attention = config.attention;
  const auto group = [&](const std::vector<std::pair<std::string, std::int64_t>>& paths, std::int64_t in) {
    return read_group(reader, parts, names, layer, paths, in);
  };
  const auto norm = [&](const std::string& pattern, std::int64_t width) {
    if (pattern.empty()) return NormWeights{};
    return read_norm(reader, config, TensorNames::at_layer(pattern, layer), width);
  };
  DecoderLayer result;
  result.attention_norm = norm(names.attention_norm, config.hidden);
  result.qkv = names.key.empty() ? group({{names.query, attention.qkv_width()}}, config.hidden)
                                 : group({{names.query, attention.query_width()},
                                          {names.key, attention.kv_width()},
                                          {names.value, attention.kv_width()}},
                                         config.hidden);
  result.query_norm = norm(names.query_norm, attention.head_dim);
  result.key_norm = norm(names.key_norm, attention.head_dim);
  result.attention_out = group({{names.attention_out, config.hidden}}, attention.query_width());
  result.attention_out_norm = norm(names.attention_out_norm, config.hidden);
  result.mlp_norm = norm(names.mlp_norm, config.hidden);
  const std::int64_t width = config.intermediate;
  if (!names.gate.empty())
    result.mlp_in = group({{names.gate, width}, {names.up, width}}, config.hidden);
  else
    result.mlp_in = group({{names.up, config.is_gated() ? 2 * width : width}}, config.hidden);
  result.mlp_out = group({{names.down, config.hidden}}, width);
  result.mlp_out_norm = norm(names.mlp_out_norm, config.hidden);
  return result;
}

// Whether the head is the embedding. A head that the file has beside it and that differs is what was
// trained: it counts more than the setting, as in transformers.
bool head_is_embedding(WeightReader& reader, const BaseModel::Parts& parts, const WeightSource& source) {
  const TensorNames& names = source.names();
  const std::string head = names.head + ".weight";
  if (!parts.config.tied_head || !reader.contains(head)) return parts.config.tied_head;
  if (reader.are_equal(head, names.embedding)) return true;
  log_warning(source.where() + ": 'tie_word_embeddings' is true, but '" + head + "' differs from '" +
              names.embedding + "': the head of the file is used");
  return false;
}

StackedLinear read_head(WeightReader& reader, const BaseModel::Parts& parts, const WeightSource& source) {
  const DecoderConfig& config = parts.config;
  const std::string& head = source.names().head;
  at::Tensor bias;
  if (config.head_has_bias) bias = reader.read(head + ".bias", {config.vocabulary});
  if (head_is_embedding(reader, parts, source)) return StackedLinear(parts.embedding, std::move(bias));
  return StackedLinear(reader.read_matrix(head + ".weight", {config.vocabulary, config.hidden}),
                       std::move(bias));
}

// Before anything is made for each layer that a file claims.
void check_layers(const WeightSource& source) {
  const auto layers = static_cast<std::size_t>(source.config().layers);
  if (layers <= source.tensor_count()) return;
  throw Error(ErrorKind::kCorruptFile, source.where() + ": the settings ask for " + std::to_string(layers) +
                                           " layers, the file has " + std::to_string(source.tensor_count()) +
                                           " tensors");
}

// Some published tokenizers have a few tokens for other inputs than text, which their text models have not.
void check_tokenizer(const BaseModel::Parts& parts, const std::string& where) {
  const std::int64_t tokens = parts.tokenizer->size(), vocabulary = parts.config.vocabulary;
  const std::string sizes = where + ": the tokenizer has " + std::to_string(tokens) +
                            " tokens (end of text is " + std::to_string(parts.eos_id) +
                            "), the model's vocabulary " + std::to_string(vocabulary);
  constexpr std::int64_t kTokensOfOtherInputs = 64;
  if (tokens > vocabulary + kTokensOfOtherInputs || parts.eos_id < 0 || parts.eos_id >= vocabulary)
    throw Error(ErrorKind::kCorruptFile, sizes);
  if (tokens > vocabulary) log_warning(sizes + ": text with the last of them is refused");
}

std::vector<RotaryEmbedding> rotary_on(at::Device device, std::vector<RotaryEmbedding> embeddings) {
  for (RotaryEmbedding& rotary : embeddings) {
    rotary.frequencies = rotary.frequencies.to(device);
    if (rotary.boundary > 0) rotary.long_frequencies = rotary.long_frequencies.to(device);
  }
  return embeddings;
}

}  // namespace

std::unique_ptr<const BaseModel::Parts> load_parts(const WeightSource& source,
                                                   const BaseModelOptions& options) {
  const at::NoGradGuard no_gradients;
  check_layers(source);
  WeightReader reader(source, options);
  auto parts = std::make_unique<BaseModel::Parts>();
  parts->config = source.config();
  const DecoderConfig& config = parts->config;
  const TensorNames& names = source.names();
  std::int64_t boundary = 0;
  for (const RotaryEmbedding& rotary : config.rotary) boundary = std::max(boundary, rotary.boundary);
  parts->shape = {config.family,        config.layers, config.hidden, config.vocabulary,
                  config.max_positions, boundary,      config.decoder};
  parts->tokenizer = source.tokenizer();
  parts->eos_id = source.eos_id();
  check_tokenizer(*parts, source.where());
  reader.hash(config.family);
  parts->precision = options.precision;
  parts->state = reader.state();
  parts->embedding = reader.read_matrix(names.embedding, {config.vocabulary, config.hidden});
  if (!names.positions.empty())
    parts->positions = reader.read(names.positions, {config.max_positions, config.hidden});
  parts->final_norm = read_norm(reader, config, names.final_norm, config.hidden);
  parts->head = read_head(reader, *parts, source);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    parts->layers.push_back(read_layer(reader, *parts, names, layer));
  }
  parts->config.rotary = rotary_on(reader.state().device(), std::move(parts->config.rotary));
  parts->fingerprint = reader.fingerprint();
  source.check_unused(reader.used());
  return parts;
}

}  // namespace quiver
