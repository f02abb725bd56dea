#include "tensor/torch_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "quiver/error.h"
#include "tensor/dtype.h"
#include "tensor/file_problem.h"
#include "tensor/mapped_file.h"
#include "tensor/pickle.h"
#include "tensor/torch_archive.h"
#include "tensor/torch_legacy_file.h"

namespace quiver {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxValues = 1 << 20;
constexpr std::uint64_t kMaxTextBytes = 64 << 20;
// Tensors that view the same numbers many times must not grow without bound when they are copied apart.
constexpr std::uint64_t kTensorBytesPerFileByte = 16;
constexpr std::uint64_t kFreeTensorBytes = 64 << 20;

void check_truth_values(const at::Tensor& bytes, const std::filesystem::path& path) {
  const auto* begin = static_cast<const std::uint8_t*>(bytes.const_data_ptr());
  if (std::any_of(begin, begin + bytes.numel(), [](std::uint8_t byte) { return byte > 1; })) {
    throw_corrupt(path, "a boolean tensor has a byte other than 0 and 1");
  }
}

// UTF-8 back to bytes; nothing for a character above 255.
std::optional<std::string> latin1_bytes(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      bytes += text[i];
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size() && (text[i + 1] & 0xc0) == 0x80) {
      bytes += static_cast<char>((byte & 3) << 6 | (text[++i] & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

// The offset of a tensor's last element, or nothing when it is negative or overflows.
std::optional<std::int64_t> last_element(const PickleTensor& tensor) {
  std::int64_t last = tensor.offset;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    std::int64_t reach = 0;
    if (tensor.strides[i] < 0 || __builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return std::nullopt;
    }
  }
  return last;
}

// Turns the graph of a pickle into values, a node that is referred to twice into two.
class ValueBuilder {
 public:
  ValueBuilder(const Pickle& pickle, TorchStorages& storages, std::uint64_t file_bytes,
               const std::filesystem::path& path)
      : pickle_(pickle),
        storages_(storages),
        path_(path),
        tensor_bytes_left_(file_bytes * kTensorBytesPerFileByte + kFreeTensorBytes) {}

  TorchValue build(PickleId id, int depth = 0) {
    if (depth > kMaxDepth) fail("objects are nested deeper than " + std::to_string(kMaxDepth) + " levels");
    if (++values_ > kMaxValues) fail("the pickle has more than " + std::to_string(kMaxValues) + " values");
    return std::visit([&](const auto& node) { return build_node(node, depth); }, pickle_.nodes[id]);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { throw_corrupt(path_, problem); }

  TorchValue build_node(const PickleNone&, int) { return {}; }
  TorchValue build_node(bool value, int) { return {value}; }
  TorchValue build_node(std::int64_t value, int) { return {value}; }
  TorchValue build_node(double value, int) { return {value}; }
  TorchValue build_node(const PickleText& text, int) { return {text_of(text)}; }
  TorchValue build_node(const PickleLatin1& bytes, int) { return {bytes_of(bytes)}; }
  TorchValue build_node(const PickleList& list, int depth) {
    TorchValue::List items;
    for (const PickleId item : list.items) items.push_back(build(item, depth + 1));
    return {std::move(items)};
  }
  TorchValue build_node(const PickleDict& dict, int depth);
  TorchValue build_node(const PickleGlobal& global, int) {
    if (global.callable == PickleCallable::kDtype) return {std::string("torch.").append(global.name)};
    fail("the value " + in_quotes(global.name) + " is a class or function");
  }
  TorchValue build_node(const PickleStorage& storage, int) {
    throw Error(ErrorKind::kUnsupported, path_.string() + ": the storage " + in_quotes(storage.key) +
                                             " stands alone, without a tensor");
  }
  TorchValue build_node(const PickleTensor& tensor, int);
  TorchValue build_node(const PickleNumpyDtype&, int) { fail("a value is a numpy type"); }
  TorchValue build_node(const PickleNumpyArray& array, int);

  std::string text_of(const PickleText& text) {
    if (text.text.size() > text_bytes_left_) fail("the texts of the pickle are too long together");
    text_bytes_left_ -= text.text.size();
    return std::string(text.text);
  }
  std::string bytes_of(const PickleLatin1& bytes) {
    const auto decoded = latin1_bytes(text_of(std::get<PickleText>(pickle_.nodes[bytes.text])));
    if (!decoded) fail("bytes hold a character above 255");
    return *decoded;
  }
  // Counts a tensor of this shape against the limit; its elements.
  std::uint64_t claim(const std::vector<std::int64_t>& shape, at::ScalarType dtype) {
    const auto count = element_count(shape);
    if (!count) fail("a tensor has the impossible shape " + shape_text(shape));
    const std::uint64_t bytes = *count * c10::elementSize(dtype);  // element_count leaves a factor of 16
    if (bytes > tensor_bytes_left_)
      fail("a tensor of shape " + shape_text(shape) + " is too large for the file");
    tensor_bytes_left_ -= bytes;
    return *count;
  }
  const at::Tensor& storage_bytes(const PickleStorage& storage);

  const Pickle& pickle_;
  TorchStorages& storages_;
  const std::filesystem::path& path_;
  std::map<std::string, at::Tensor, std::less<>> loaded_;
  std::set<std::string_view> truth_values_checked_;
  std::size_t values_ = 0;
  std::uint64_t text_bytes_left_ = kMaxTextBytes;
  std::uint64_t tensor_bytes_left_;
};

TorchValue ValueBuilder::build_node(const PickleDict& dict, int depth) {
  TorchValue::Dict entries;
  std::set<std::string> names;
  for (const auto& [key, value] : dict.entries) {
    TorchValue::Entry entry{build(key, depth + 1), build(value, depth + 1)};
    const auto* name = entry.key.as<std::string>();
    if (name != nullptr && !names.insert(*name).second)
      fail("the key " + in_quotes(*name) + " appears twice");
    entries.push_back(std::move(entry));
  }
  return {std::move(entries)};
}

const at::Tensor& ValueBuilder::storage_bytes(const PickleStorage& storage) {
  auto found = loaded_.find(storage.key);
  if (found == loaded_.end()) {
    const std::string key(storage.key);
    found = loaded_.emplace(key, storages_.read(key)).first;
  }
  return found->second;
}

TorchValue ValueBuilder::build_node(const PickleTensor& tensor, int) {
  const auto describe_tensor = [&] {
    return "a tensor of shape " + shape_text(tensor.shape) + " with strides " + shape_text(tensor.strides) +
           " at offset " + std::to_string(tensor.offset);
  };
  if (tensor.strides.size() != tensor.shape.size())
    fail(describe_tensor() + " has not one stride a dimension");
  const std::uint64_t elements = claim(tensor.shape, tensor.dtype);
  const at::Tensor& bytes = storage_bytes(tensor.storage);
  const auto unit = static_cast<std::int64_t>(c10::elementSize(tensor.storage.dtype));
  const std::int64_t available = bytes.numel() / unit;
  if (tensor.storage.begin > available || tensor.storage.count > available - tensor.storage.begin) {
    fail("the storage " + in_quotes(tensor.storage.key) + " has " + std::to_string(bytes.numel()) +
         " bytes, too few for " + std::to_string(tensor.storage.count) + " values");
  }
  // As elements of the tensor's own type: an untyped storage counts bytes.
  const auto own_unit = static_cast<std::int64_t>(c10::elementSize(tensor.dtype));
  const std::int64_t values = tensor.storage.count * unit / own_unit;
  const auto last = last_element(tensor);
  if (tensor.offset < 0 || (elements > 0 && (!last || *last >= values))) {
    fail(describe_tensor() + " reaches out of its storage of " + std::to_string(values) + " values");
  }
  if (elements == 0) return {at::empty(tensor.shape, at::TensorOptions(tensor.dtype))};
  const std::int64_t begin = tensor.storage.begin * unit;
  if (begin % own_unit != 0) fail("a view begins within a number");
  if (tensor.dtype == at::kBool && truth_values_checked_.emplace(tensor.storage.key).second) {
    check_truth_values(bytes, path_);
  }
  const at::Tensor flat = bytes.narrow(0, begin, values * own_unit).view(tensor.dtype);
  return {flat.as_strided(tensor.shape, tensor.strides, flat.storage_offset() + tensor.offset)};
}

TorchValue ValueBuilder::build_node(const PickleNumpyArray& array, int) {
  if (!array.built) fail("a numpy array has no content");
  std::vector<std::int64_t> shape = array.shape;
  const std::uint64_t elements = claim(shape, array.dtype);
  std::string data;
  if (const auto* bytes = std::get_if<PickleLatin1>(&pickle_.nodes[array.data])) {
    data = bytes_of(*bytes);
  } else if (const auto* text = std::get_if<PickleText>(&pickle_.nodes[array.data])) {
    data = text_of(*text);  // Python 2's str
  } else {
    fail("the content of a numpy array is not bytes");
  }
  if (data.size() != elements * c10::elementSize(array.dtype)) {
    fail("a numpy array of shape " + shape_text(shape) + " has " + std::to_string(data.size()) + " bytes");
  }
  if (array.column_major) std::ranges::reverse(shape);
  at::Tensor values = at::empty(shape, at::TensorOptions(array.dtype));
  if (!data.empty()) std::copy(data.begin(), data.end(), static_cast<char*>(values.mutable_data_ptr()));
  if (array.dtype == at::kBool) check_truth_values(values, path_);
  if (array.column_major && values.dim() > 1) values = values.numpy_T().contiguous();
  if (!array.scalar) return {values};
  if (array.dtype == at::kBool) return {values.item<bool>()};
  if (values.is_floating_point()) return {values.item<double>()};
  return {values.item<std::int64_t>()};
}

}  // namespace

TorchValue read_torch_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string_view bytes = file.bytes();
  if (TorchArchive::is_archive(bytes)) {
    TorchArchive archive(path, bytes.size());
    const std::string text = archive.pickle();
    const Pickle pickle = parse_pickle(text, path);
    return ValueBuilder(pickle, archive, bytes.size(), path).build(pickle.root);
  }
  if (TorchLegacyFile::is_legacy(bytes)) {
    TorchLegacyFile legacy(bytes, path);
    return ValueBuilder(legacy.pickle(), legacy, bytes.size(), path).build(legacy.pickle().root);
  }
  throw_corrupt(path, "not a file of torch.save: neither a zip archive nor its older format");
}

std::map<std::string, at::Tensor> tensors_of(const TorchValue& value, const std::filesystem::path& path) {
  const auto* entries = value.as<TorchValue::Dict>();
  if (entries == nullptr)
    throw_corrupt(path, "the file holds " + describe(value) + ", not a dict of tensors");
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, item] : *entries) {
    const auto* name = key.as<std::string>();
    if (name == nullptr) throw_corrupt(path, "the dict has " + describe(key) + " for a key, not a text");
    const auto* tensor = item.as<at::Tensor>();
    if (tensor == nullptr)
      throw_corrupt(path, "the value " + in_quotes(*name) + " is " + describe(item) + ", not a tensor");
    tensors.emplace(*name, *tensor);
  }
  return tensors;
}

std::map<std::string, at::Tensor> read_torch_tensors(const std::filesystem::path& path) {
  return tensors_of(read_torch_file(path), path);
}

}  // namespace quiver
