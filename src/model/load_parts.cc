#include <algorithm>

#include "core/log.h"
#include "core/sha256.h"
#include "model/decoder.h"
#include "tensor/device.h"
#include "tensor/quantize.h"

namespace quiver {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "(";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}

// Reads tensors in the wanted precision and on the wanted device, and hashes a sample of each for the
// fingerprint.
class Reader {
 public:
  Reader(const WeightSource& source, const BaseModelOptions& options)
      : source_(source),
        precision_(options.precision),
        state_(at::TensorOptions(options.precision == Precision::kBFloat16 ? at::kBFloat16 : at::kFloat)
                   .device(parse_device(options.device))) {
    if (precision_ == Precision::kQ8 && !state_.device().is_cpu()) {
      throw Error(ErrorKind::kUnsupported, "precision q8 runs on the CPU only",
                  "use float32 or bfloat16, or --device cpu");
    }
  }

  at::Tensor read(const std::string& name, at::IntArrayRef shape) {
    return read_float(name, shape).to(state_).contiguous();
  }

  // A weight (out, in); `stored_transposed` where the file has (in, out). What is computed in float32 on the
  // CPU stays in the blocks of its file, or is rounded to blocks.
  FrozenMatrix read_matrix(const std::string& name, at::IntArrayRef shape, bool stored_transposed = false) {
    check_contains(name);
    const bool keeps_blocks = precision_ != Precision::kBFloat16 && state_.device().is_cpu();
    const bool rounds = precision_ == Precision::kQ8;
    std::optional<QuantizedBlocks> blocks;
    if (keeps_blocks && !stored_transposed) blocks = source_.read_blocks(name);
    if (blocks && !(rounds && blocks->has_halves())) {
      check_shape(name, {blocks->rows, blocks->width}, shape);
      FrozenMatrix matrix(std::move(*blocks));
      hash_sample(name, shape, matrix.every(sample_stride(shape)));
      return matrix;
    }
    const at::Tensor weight = read_stored(name, shape, stored_transposed);
    const bool fits = weight.size(1) % kBlockWidth == 0;
    if (rounds && fits) return FrozenMatrix(rounded_to_q8_0(name, weight));
    blocks = keeps_blocks ? blocks_of_halves(weight) : std::nullopt;
    return blocks ? FrozenMatrix(std::move(*blocks)) : FrozenMatrix(weight.to(state_).contiguous());
  }

  at::Tensor read_if_present(const std::string& name, at::IntArrayRef shape) {
    return source_.contains(name) ? read(name, shape) : at::Tensor();
  }

  // An offset is added in float32, and the sum kept so: it would be lost in a narrower type.
  NormWeights norm(const std::string& path, std::int64_t width, double offset) {
    at::Tensor weight = offset == 0 ? read(path + ".weight", {width})
                                    : (read_float(path + ".weight", {width}) + offset).to(state_.device());
    return {std::move(weight), read_if_present(path + ".bias", {width})};
  }

  void hash(const std::string& text) { hash_.update(text); }
  std::string fingerprint() { return hash_.finish(); }
  const at::TensorOptions& state() const { return state_; }

 private:
  static QuantizedBlocks rounded_to_q8_0(const std::string& name, const at::Tensor& weight) {
    try {
      return round_to_q8_0(weight);
    } catch (const Error& error) {
      throw Error(error.kind(), "tensor '" + name + "': " + error.what(), error.hint());
    }
  }

  void check_contains(const std::string& name) const {
    if (source_.contains(name)) return;
    throw Error(ErrorKind::kCorruptFile, "the base model has no tensor '" + name + "'");
  }

  static void check_shape(const std::string& name, at::IntArrayRef found, at::IntArrayRef wanted) {
    if (found == wanted) return;
    throw Error(ErrorKind::kCorruptFile, "tensor '" + name + "' has shape " + shape_text(found) +
                                             ", the model's configuration asks for " + shape_text(wanted));
  }

  at::Tensor read_float(const std::string& name, at::IntArrayRef shape) {
    return read_stored(name, shape).to(at::kFloat);
  }

  // In the type of the file.
  at::Tensor read_stored(const std::string& name, at::IntArrayRef shape, bool stored_transposed = false) {
    check_contains(name);
    at::Tensor tensor = source_.read(name);
    if (stored_transposed && tensor.dim() == 2) tensor = tensor.t().contiguous();
    check_shape(name, tensor.sizes(), shape);
    hash_sample(name, shape, tensor.flatten().slice(0, 0, tensor.numel(), sample_stride(shape)));
    return tensor;
  }

  static std::int64_t sample_stride(at::IntArrayRef shape) {
    constexpr std::int64_t kSample = 4096;
    return std::max<std::int64_t>(1, c10::multiply_integers(shape) / kSample);
  }

  void hash_sample(const std::string& name, at::IntArrayRef shape, const at::Tensor& sample) {
    const at::Tensor floats = sample.to(at::kFloat).contiguous();
    hash_.update(name + shape_text(shape));
    hash_.update({static_cast<const char*>(floats.const_data_ptr()), floats.nbytes()});
  }

  const WeightSource& source_;
  Precision precision_;
  at::TensorOptions state_;
  Sha256 hash_;
};

// Lists the slots of one group and reads their weights as one stacked matrix.
StackedLinear read_group(Reader& reader, BaseModel::Parts& parts, const TensorNames& names,
                         std::int64_t layer,
                         const std::vector<std::pair<std::string, std::int64_t>>& paths_and_widths,
                         std::int64_t in) {
  LinearGroup group;
  group.index = static_cast<std::int64_t>(parts.groups.size());
  group.in = in;
  std::vector<FrozenMatrix> weights;
  std::vector<at::Tensor> biases;
  for (const auto& [pattern, out] : paths_and_widths) {
    const std::string path = TensorNames::at_layer(pattern, layer);
    weights.push_back(reader.read_matrix(path + ".weight", {out, in}, names.linear_weights_are_transposed));
    biases.push_back(reader.read_if_present(path + ".bias", {out}));
    group.slots.push_back(static_cast<std::int64_t>(parts.slots.size()));
    parts.slots.push_back({path, layer, in, out, group.index, group.out});
    group.out += out;
  }
  parts.groups.push_back(group);
  const auto is_defined = [](const at::Tensor& bias) { return bias.defined(); };
  const auto biased = std::count_if(biases.begin(), biases.end(), is_defined);
  const LinearSlot& first = parts.slots[static_cast<std::size_t>(group.slots.front())];
  if (biased != 0 && biased != static_cast<std::ptrdiff_t>(biases.size())) {
    throw Error(ErrorKind::kUnsupported,
                "only some of the linear layers beside '" + first.path + "' have a bias");
  }
  if (biased == 0 && parts.config.has_bias[static_cast<std::size_t>(group.index % kGroupsPerLayer)]) {
    throw Error(ErrorKind::kCorruptFile, "the base model has no tensor '" + first.path + ".bias'");
  }
  return StackedLinear(FrozenMatrix::stack(weights), biased > 0 ? at::cat(biases) : at::Tensor());
}

DecoderLayer read_layer(Reader& reader, BaseModel::Parts& parts, const TensorNames& names,
                        std::int64_t layer) {
  const DecoderConfig& config = parts.config;
  const AttentionShape& attention = config.attention;
  const auto group = [&](const std::vector<std::pair<std::string, std::int64_t>>& paths, std::int64_t in) {
    return read_group(reader, parts, names, layer, paths, in);
  };
  const auto norm = [&](const std::string& pattern, std::int64_t width) {
    if (pattern.empty()) return NormWeights{};
    return reader.norm(TensorNames::at_layer(pattern, layer), width, config.norm_offset);
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

StackedLinear read_head(Reader& reader, const BaseModel::Parts& parts, const TensorNames& names) {
  const std::int64_t vocabulary = parts.config.vocabulary;
  at::Tensor bias = reader.read_if_present(names.head + ".bias", {vocabulary});
  FrozenMatrix weight = parts.config.tied_head
                            ? parts.embedding
                            : reader.read_matrix(names.head + ".weight", {vocabulary, parts.config.hidden});
  return StackedLinear(std::move(weight), std::move(bias));
}

// Some published tokenizers have a few tokens for other inputs than text, which their text models have not.
void check_tokenizer(const BaseModel::Parts& parts) {
  const std::int64_t tokens = parts.tokenizer->size(), vocabulary = parts.config.vocabulary;
  const std::string sizes = "the tokenizer has " + std::to_string(tokens) + " tokens (end of text is " +
                            std::to_string(parts.eos_id) + "), the model's vocabulary " +
                            std::to_string(vocabulary);
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
  Reader reader(source, options);
  auto parts = std::make_unique<BaseModel::Parts>();
  parts->config = source.config();
  const DecoderConfig& config = parts->config;
  const TensorNames& names = source.names();
  std::int64_t boundary = 0;
  for (const RotaryEmbedding& rotary : config.rotary) boundary = std::max(boundary, rotary.boundary);
  parts->shape = {config.family,     config.layers,        config.hidden,
                  config.vocabulary, config.max_positions, boundary};
  parts->tokenizer = source.tokenizer();
  parts->eos_id = source.eos_id();
  check_tokenizer(*parts);
  reader.hash(config.family);
  parts->precision = options.precision;
  parts->state = reader.state();
  parts->embedding = reader.read_matrix(names.embedding, {config.vocabulary, config.hidden});
  if (!names.positions.empty())
    parts->positions = reader.read(names.positions, {config.max_positions, config.hidden});
  parts->final_norm = reader.norm(names.final_norm, config.hidden, config.norm_offset);
  parts->head = read_head(reader, *parts, names);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    parts->layers.push_back(read_layer(reader, *parts, names, layer));
  }
  parts->config.rotary = rotary_on(reader.state().device(), std::move(parts->config.rotary));
  parts->fingerprint = reader.fingerprint();
  return parts;
}

}  // namespace quiver
