#include "tensor/gguf.h"

#include <ATen/Parallel.h>

#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "core/strings.h"
#include "quiver/error.h"
#include "tensor/file_problem.h"
#include "tensor/gguf_type.h"

namespace quiver {

static_assert(std::endian::native == std::endian::little, "GGUF numbers are copied from little-endian files");

namespace {

template <typename Number>
Number load(std::string_view bytes, std::uint64_t index) {
  Number value;
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

// Element `index`, or nothing when it is not an integer or does not fit in 64 signed bits.
std::optional<std::int64_t> integer_at(const GgufValue& value, std::uint64_t index) {
  switch (value.type) {
    case GgufValueType::kUint8:
    case GgufValueType::kBool:
      return load<std::uint8_t>(value.bytes, index);
    case GgufValueType::kInt8:
      return load<std::int8_t>(value.bytes, index);
    case GgufValueType::kUint16:
      return load<std::uint16_t>(value.bytes, index);
    case GgufValueType::kInt16:
      return load<std::int16_t>(value.bytes, index);
    case GgufValueType::kUint32:
      return load<std::uint32_t>(value.bytes, index);
    case GgufValueType::kInt32:
      return load<std::int32_t>(value.bytes, index);
    case GgufValueType::kInt64:
      return load<std::int64_t>(value.bytes, index);
    case GgufValueType::kUint64: {
      const auto number = load<std::uint64_t>(value.bytes, index);
      if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
      return static_cast<std::int64_t>(number);
    }
    default:
      return std::nullopt;
  }
}

// Element `index`, or nothing when it is not a number.
std::optional<double> number_at(const GgufValue& value, std::uint64_t index) {
  if (value.type == GgufValueType::kFloat32) return load<float>(value.bytes, index);
  if (value.type == GgufValueType::kFloat64) return load<double>(value.bytes, index);
  const std::optional<std::int64_t> whole = integer_at(value, index);
  return whole ? std::optional(static_cast<double>(*whole)) : std::nullopt;
}

// Takes one length-prefixed text off the front of validated bytes.
std::string take_text(std::string_view& bytes) {
  const auto length = load<std::uint64_t>(bytes, 0);
  std::string text(bytes.substr(sizeof length, length));
  bytes.remove_prefix(sizeof length + length);
  return text;
}

}  // namespace

GgufFile::Content::Content(const std::filesystem::path& path)
    : file(path), header(parse_gguf_header(file.bytes(), path)) {}

GgufFile GgufFile::open(const std::filesystem::path& path) {
  return GgufFile(std::make_shared<const Content>(path));
}

bool GgufFile::has(const std::string& key) const { return content_->header.values.contains(key); }

std::vector<std::string> GgufFile::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : content_->header.values) keys.push_back(key);
  return keys;
}

const GgufValue& GgufFile::value(const std::string& key) const {
  const auto found = content_->header.values.find(key);
  if (found == content_->header.values.end()) {
    throw Error(ErrorKind::kCorruptFile,
                content_->file.path().string() + ": the metadata value " + in_quotes(key) + " is missing");
  }
  return found->second;
}

bool GgufFile::is_array(const std::string& key) const { return value(key).is_array; }

void GgufFile::throw_wrong_type(const std::string& key, const std::string& wanted) const {
  throw Error(ErrorKind::kCorruptFile, content_->file.path().string() + ": the metadata value " +
                                           in_quotes(key) + " is " + gguf_value_type_name(value(key)) +
                                           " where " + wanted + " is needed");
}

std::int64_t GgufFile::integer(const std::string& key) const {
  const GgufValue& found = value(key);
  const auto number = found.is_array ? std::nullopt : integer_at(found, 0);
  if (!number) throw_wrong_type(key, "an integer of 64 bits");
  return *number;
}

std::int64_t GgufFile::integer_or(const std::string& key, std::int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

double GgufFile::number(const std::string& key) const {
  const GgufValue& found = value(key);
  const auto number = found.is_array ? std::nullopt : number_at(found, 0);
  if (!number) throw_wrong_type(key, "a number");
  return *number;
}

std::string GgufFile::text(const std::string& key) const {
  const GgufValue& found = value(key);
  if (found.is_array || found.type != GgufValueType::kString) throw_wrong_type(key, "a string");
  std::string_view bytes = found.bytes;
  return take_text(bytes);
}

std::string GgufFile::text_or(const std::string& key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

std::vector<std::string> GgufFile::texts(const std::string& key) const {
  const GgufValue& found = value(key);
  if (!found.is_array || found.type != GgufValueType::kString) throw_wrong_type(key, "an array of strings");
  std::vector<std::string> result;
  result.reserve(found.count);  // the header check found at least 8 bytes of file for each
  std::string_view bytes = found.bytes;
  for (std::uint64_t i = 0; i < found.count; ++i) result.push_back(take_text(bytes));
  return result;
}

std::vector<double> GgufFile::numbers(const std::string& key) const {
  const GgufValue& found = value(key);
  if (!found.is_array) throw_wrong_type(key, "an array of numbers");
  std::vector<double> result;
  result.reserve(found.count);  // the header check found at least 1 byte of file for each
  for (std::uint64_t i = 0; i < found.count; ++i) {
    const auto number = number_at(found, i);
    if (!number) throw_wrong_type(key, "an array of numbers");
    result.push_back(*number);
  }
  return result;
}

std::vector<std::int32_t> GgufFile::integers(const std::string& key) const {
  const GgufValue& found = value(key);
  if (!found.is_array) throw_wrong_type(key, "an array of 32-bit integers");
  std::vector<std::int32_t> result;
  result.reserve(found.count);  // the header check found at least 1 byte of file for each
  for (std::uint64_t i = 0; i < found.count; ++i) {
    const auto number = integer_at(found, i);
    if (!number || *number != static_cast<std::int32_t>(*number)) {
      throw_wrong_type(key, "an array of 32-bit integers");
    }
    result.push_back(static_cast<std::int32_t>(*number));
  }
  return result;
}

std::vector<std::string> GgufFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : content_->header.entries) names.push_back(name);
  return names;
}

bool GgufFile::contains(const std::string& name) const { return content_->header.entries.contains(name); }

const GgufEntry& GgufFile::entry(const std::string& name) const {
  const auto found = content_->header.entries.find(name);
  if (found == content_->header.entries.end()) {
    throw Error(ErrorKind::kNotFound, content_->file.path().string() + ": no tensor " + in_quotes(name),
                did_you_mean(name, names()));
  }
  return found->second;
}

std::vector<std::int64_t> GgufFile::shape(const std::string& name) const { return entry(name).shape; }

std::string GgufFile::type_name(const std::string& name) const { return gguf_type_name(entry(name).type); }

at::Tensor GgufFile::read(const std::string& name) const {
  const GgufEntry& place = entry(name);
  const GgufType* type = find_gguf_type(place.type);
  if (type == nullptr) {
    throw Error(ErrorKind::kUnsupported,
                content_->file.path().string() + ": tensor " + in_quotes(name) + " has the element type " +
                    gguf_type_name(place.type) + ", which cannot be read",
                "use a file in F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K");
  }
  at::Tensor tensor = at::empty(place.shape, at::TensorOptions(at::kFloat));
  float* target = tensor.mutable_data_ptr<float>();
  const char* source = content_->file.bytes().data() + place.begin;
  const auto blocks = static_cast<std::int64_t>(place.bytes / type->block_bytes);
  // Enough values a task that starting it costs nothing beside it.
  const std::int64_t grain = (1 << 16) / type->block_elements;
  at::parallel_for(0, blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    type->dequantize(source + begin * type->block_bytes, end - begin, target + begin * type->block_elements);
  });
  return tensor;
}

std::optional<QuantizedBlocks> GgufFile::read_blocks(const std::string& name) const {
  const GgufEntry& place = entry(name);
  const GgufType* type = find_gguf_type(place.type);
  if (type == nullptr || !type->format || place.shape.size() != 2) return std::nullopt;
  if (place.shape[1] % block_width(*type->format) != 0) return std::nullopt;  // F16 and BF16 may
  QuantizedBlocks blocks;
  blocks.format = *type->format;
  blocks.rows = place.shape[0];
  blocks.width = place.shape[1];
  const char* source = content_->file.bytes().data() + place.begin;
  blocks.bytes.assign(source, source + place.bytes);
  return blocks;
}

}  // namespace quiver
