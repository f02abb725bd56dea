#include <cmath>

#include "core/sha256.h"
#include "model/decoder.h"
#include "tensor/device.h"

namespace quiver {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "(";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}

// Reads tensors in the wanted type and on the wanted device, and hashes a sample of each for the fingerprint.
class Reader {
 public:
  Reader(const WeightSource& source, const BaseModelOptions& options)
      : source_(source),
        type_(options.precision == Precision::kFloat32 ? at::kFloat : at::kBFloat16),
        device_(parse_device(options.device)) {}

  at::Tensor read(const std::string& name, at::IntArrayRef shape) {
    if (!source_.contains(name)) {
      throw Error(ErrorKind::kCorruptFile, "the base model has no tensor '" + name + "'");
    }
    const at::Tensor tensor = source_.read(name).to(at::kFloat);
    if (tensor.sizes() != shape) {
      throw Error(ErrorKind::kCorruptFile, "tensor '" + name + "' has shape " + shape_text(tensor.sizes()) +
                                               ", the model's configuration asks for " + shape_text(shape));
    }
    hash_sample(name, tensor);
    return tensor.to(device_, type_).contiguous();
  }

  at::Tensor read_if_present(const std::string& name, at::IntArrayRef shape) {
    return source_.contains(name) ? read(name, shape) : at::Tensor();
  }

  NormWeights norm(const std::string& path, std::int64_t width) {
    return {read(path + ".weight", {width}), read_if_present(path + ".bias", {width})};
  }

  void hash(const std::string& text) { hash_.update(text); }
  std::string fingerprint() { return hash_.finish(); }
  at::Device device() const { return device_; }

 private:
  void hash_sample(const std::string& name, const at::Tensor& tensor) {
    constexpr std::int64_t kSample = 4096;
    const at::Tensor flat = tensor.flatten();
    const std::int64_t stride = std::max<std::int64_t>(1, flat.numel() / kSample);
    const at::Tensor sample = flat.slice(0, 0, flat.numel(), stride).contiguous();
    hash_.update(name + shape_text(tensor.sizes()));
    hash_.update({static_cast<const char*>(sample.const_data_ptr()), sample.nbytes()});
  }

  const WeightSource& source_;
  at::ScalarType type_;
  at::Device device_;
  Sha256 hash_;
};

// Lists the slots of one group and reads their weights as one stacked matrix.
StackedLinear read_group(Reader& reader, BaseModel::Parts& parts, std::int64_t layer,
                         const std::vector<std::pair<std::string, std::int64_t>>& paths_and_widths,
                         std::int64_t in) {
  LinearGroup group;
  group.index = static_cast<std::int64_t>(parts.groups.size());
  group.in = in;
  std::vector<at::Tensor> weights, biases;
  for (const auto& [pattern, out] : paths_and_widths) {
    const std::string path = TensorNames::at_layer(pattern, layer);
    weights.push_back(reader.read(path + ".weight", {out, in}));
    biases.push_back(reader.read_if_present(path + ".bias", {out}));
    group.slots.push_back(static_cast<std::int64_t>(parts.slots.size()));
    parts.slots.push_back({path, layer, in, out, group.index, group.out});
    group.out += out;
  }
  parts.groups.push_back(group);
  StackedLinear stacked{weights.size() == 1 ? weights[0] : at::cat(weights), {}};
  const auto has_bias = [](const at::Tensor& bias) { return bias.defined(); };
  const auto biased = std::count_if(biases.begin(), biases.end(), has_bias);
  if (biased != 0 && biased != static_cast<std::ptrdiff_t>(biases.size())) {
    const LinearSlot& first = parts.slots[static_cast<std::size_t>(group.slots.front())];
    throw Error(ErrorKind::kUnsupported,
                "only some of the linear layers beside '" + first.path + "' have a bias");
  }
  if (biased > 0) stacked.bias = biases.size() == 1 ? biases[0] : at::cat(biases);
  return stacked;
}

DecoderLayer read_layer(Reader& reader, BaseModel::Parts& parts, const TensorNames& names,
                        std::int64_t layer) {
  const DecoderConfig& config = parts.config;
  const AttentionShape& attention = config.attention;
  const auto at_layer = [&](const std::string& pattern) { return TensorNames::at_layer(pattern, layer); };
  DecoderLayer result;
  result.attention_norm = reader.norm(at_layer(names.attention_norm), config.hidden);
  result.qkv = read_group(reader, parts, layer,
                          {{names.query, attention.query_width()},
                           {names.key, attention.kv_width()},
                           {names.value, attention.kv_width()}},
                          config.hidden);
  result.attention_out =
      read_group(reader, parts, layer, {{names.attention_out, config.hidden}}, attention.query_width());
  result.mlp_norm = reader.norm(at_layer(names.mlp_norm), config.hidden);
  if (config.mlp == MlpKind::kSwiGlu) {
    result.mlp_in =
        read_group(reader, parts, layer, {{names.gate, config.intermediate}, {names.up, config.intermediate}},
                   config.hidden);
  } else {
    result.mlp_in = read_group(reader, parts, layer, {{names.up, config.intermediate}}, config.hidden);
  }
  result.mlp_out = read_group(reader, parts, layer, {{names.down, config.hidden}}, config.intermediate);
  return result;
}

// Angles position * theta^(-2i / head_dim), in float32 as transformers computes them.
void make_rotary_tables(BaseModel::Parts& parts, at::Device device) {
  const std::int64_t half = parts.config.attention.head_dim / 2;
  const at::Tensor exponent = at::arange(half, at::kFloat) * (2.0 / static_cast<double>(2 * half));
  const at::Tensor frequency = at::pow(*parts.config.rope_theta, exponent).reciprocal();
  const at::Tensor angle = at::outer(at::arange(parts.config.max_positions, at::kFloat), frequency);
  parts.rotary_cos = angle.cos().to(device);
  parts.rotary_sin = angle.sin().to(device);
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
  parts->shape = {config.family, config.layers, config.hidden, config.vocabulary, config.max_positions};
  parts->tokenizer = source.tokenizer();
  parts->eos_id = source.eos_id();
  if (parts->tokenizer->size() > config.vocabulary || parts->eos_id < 0 ||
      parts->eos_id >= config.vocabulary) {
    throw Error(ErrorKind::kCorruptFile, "the tokenizer has " + std::to_string(parts->tokenizer->size()) +
                                             " tokens (end of text is " + std::to_string(parts->eos_id) +
                                             "), the model's vocabulary " +
                                             std::to_string(config.vocabulary));
  }
  reader.hash(config.family);
  parts->embedding = reader.read(names.embedding, {config.vocabulary, config.hidden});
  if (!names.positions.empty())
    parts->positions = reader.read(names.positions, {config.max_positions, config.hidden});
  parts->final_norm = reader.norm(names.final_norm, config.hidden);
  parts->head =
      config.tied_head ? parts->embedding : reader.read(names.head, {config.vocabulary, config.hidden});
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    parts->layers.push_back(read_layer(reader, *parts, names, layer));
  }
  if (config.rope_theta) make_rotary_tables(*parts, reader.device());
  parts->fingerprint = reader.fingerprint();
  return parts;
}

}  // namespace quiver
