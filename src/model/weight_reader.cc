#include "model/weight_reader.h"

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/finite.h"
#include "tensor/quantize.h"

namespace quiver {
namespace {

std::int64_t sample_stride(at::IntArrayRef shape) {
  constexpr std::int64_t kSample = 4096;
  return std::max<std::int64_t>(1, c10::multiply_integers(shape) / kSample);
}

// "(2, 3)". These bytes are part of every fingerprint (version 1, docs/formats.md), whatever messages look
// like: another spelling would make every expert in the world one of another base.
std::string fingerprint_shape(at::IntArrayRef shape) {
  std::string text = "(";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}

// "(0, 7) is nan": the first number of a tensor that is not finite.
std::string first_place(const at::Tensor& tensor) {
  const std::int64_t index = at::isfinite(tensor).logical_not().flatten().nonzero()[0].item<std::int64_t>();
  std::string place;
  for (std::int64_t rest = index, dimension = tensor.dim() - 1; dimension >= 0; --dimension) {
    place = std::to_string(rest % tensor.size(dimension)) + (place.empty() ? "" : ", ") + place;
    rest /= tensor.size(dimension);
  }
  return "(" + place + ") is " + std::to_string(tensor.flatten()[index].item<float>());
}

[[noreturn]] void refuse_not_finite(const std::string& where, const std::string& name,
                                    const at::Tensor& tensor) {
  throw Error(ErrorKind::kCorruptFile,
              where + ": tensor '" + name + "' has a number that is not finite: " + first_place(tensor),
              "the weights are broken, as after a bad merge or an overflow of half precision; get them anew");
}

}  // namespace

WeightReader::WeightReader(const WeightSource& source, const BaseModelOptions& options)
    : source_(source),
      precision_(options.precision),
      state_(at::TensorOptions(options.precision == Precision::kBFloat16 ? at::kBFloat16 : at::kFloat)
                 .device(parse_device(options.device))) {
  if (precision_ == Precision::kQ8 && !state_.device().is_cpu()) {
    throw Error(ErrorKind::kUnsupported, "precision q8 runs on the CPU only",
                "use float32 or bfloat16, or --device cpu");
  }
}

at::Tensor WeightReader::read(const std::string& name, at::IntArrayRef shape) {
  return read_stored(name, shape).to(at::kFloat).to(state_).contiguous();
}

at::Tensor WeightReader::read_with_offset(const std::string& name, at::IntArrayRef shape, double offset) {
  if (offset == 0) return read(name, shape);
  return (read_stored(name, shape).to(at::kFloat) + offset).to(state_.device());
}

FrozenMatrix WeightReader::read_matrix(const std::string& name, at::IntArrayRef shape,
                                       bool stored_transposed) {
  check_contains(name);
  const bool keeps_blocks = precision_ != Precision::kBFloat16 && state_.device().is_cpu();
  const bool rounds = precision_ == Precision::kQ8;
  std::optional<QuantizedBlocks> blocks;
  if (keeps_blocks && !stored_transposed) blocks = source_.read_blocks(name);
  if (blocks && !(rounds && blocks->has_halves())) {
    used_.insert(name);
    check_shape(name, {blocks->rows, blocks->width}, shape);
    const bool finite = all_finite(*blocks);
    FrozenMatrix matrix(std::move(*blocks));
    if (!finite) refuse_not_finite(source_.where(), name, matrix.to_dense());
    hash_sample(name, shape, matrix.every(sample_stride(shape)));
    return matrix;
  }
  const at::Tensor weight = read_stored(name, shape, stored_transposed);
  const bool fits = weight.size(1) % kBlockWidth == 0;
  if (rounds && fits) return FrozenMatrix(rounded_to_q8_0(name, weight));
  blocks = keeps_blocks ? blocks_of_halves(weight) : std::nullopt;
  return blocks ? FrozenMatrix(std::move(*blocks)) : FrozenMatrix(weight.to(state_).contiguous());
}

bool WeightReader::are_equal(const std::string& name, const std::string& other) {
  const at::Tensor first = source_.read(name), second = source_.read(other);
  used_.insert({name, other});
  return first.sizes() == second.sizes() && at::equal(first, second.to(first.scalar_type()));
}

QuantizedBlocks WeightReader::rounded_to_q8_0(const std::string& name, const at::Tensor& weight) const {
  try {
    return round_to_q8_0(weight);
  } catch (const Error& error) {
    throw Error(error.kind(), source_.where() + ": tensor '" + name + "': " + error.what(), error.hint());
  }
}

void WeightReader::check_contains(const std::string& name) const {
  if (source_.contains(name)) return;
  throw Error(ErrorKind::kCorruptFile, source_.where() + ": the base model has no tensor '" + name + "'",
              source_.hint_for_missing(name));
}

void WeightReader::check_shape(const std::string& name, at::IntArrayRef found, at::IntArrayRef wanted) const {
  if (found == wanted) return;
  throw Error(ErrorKind::kCorruptFile, source_.where() + ": tensor '" + name + "' has shape " +
                                           shape_text(found) + ", the model's configuration asks for " +
                                           shape_text(wanted));
}

// In the type of the file.
at::Tensor WeightReader::read_stored(const std::string& name, at::IntArrayRef shape, bool stored_transposed) {
  check_contains(name);
  at::Tensor tensor = source_.read(name);
  used_.insert(name);
  if (!all_finite(tensor)) refuse_not_finite(source_.where(), name, tensor);
  if (stored_transposed && tensor.dim() == 2) tensor = tensor.t().contiguous();
  check_shape(name, tensor.sizes(), shape);
  hash_sample(name, shape, tensor.flatten().slice(0, 0, tensor.numel(), sample_stride(shape)));
  return tensor;
}

void WeightReader::hash_sample(const std::string& name, at::IntArrayRef shape, const at::Tensor& sample) {
  const at::Tensor floats = sample.to(at::kFloat).contiguous();
  hash_.update(name + fingerprint_shape(shape));
  hash_.update({static_cast<const char*>(floats.const_data_ptr()), floats.nbytes()});
}

}  // namespace quiver
