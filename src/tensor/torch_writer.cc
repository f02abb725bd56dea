#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>

#include <cstring>
#include <limits>

#include "core/files.h"
#include "quiver/error.h"
#include "tensor/pickle_objects.h"
#include "tensor/torch_file.h"

namespace quiver {
namespace {

// Writes a pickle and collects the tensors it refers to. The opcodes are those of Python's pickle,
// protocol 2.
class PickleWriter {
 public:
  PickleWriter() : bytes_("\x80\x02") {}

  void add(const TorchValue& value) {
    std::visit([&](const auto& content) { add_content(content); }, value.value);
  }
  std::string finish() { return std::move(bytes_) + '.'; }
  // Storage i holds tensor i.
  const std::vector<at::Tensor>& tensors() const { return tensors_; }

 private:
  template <typename Number>
  void raw(Number number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void add_content(std::monostate) { bytes_ += 'N'; }
  void add_content(bool value) { bytes_ += value ? '\x88' : '\x89'; }
  void add_content(std::int64_t value) {
    if (value >= std::numeric_limits<std::int32_t>::min() &&
        value <= std::numeric_limits<std::int32_t>::max()) {
      bytes_ += 'J';
      raw(static_cast<std::int32_t>(value));
    } else {
      bytes_ += "\x8a\x08";
      raw(value);
    }
  }
  void add_content(double value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    bytes_ += 'G';
    bytes_.append(std::rbegin(bytes), std::rend(bytes));  // the only big-endian number
  }
  void add_content(const std::string& text) {
    bytes_ += 'X';
    raw(static_cast<std::uint32_t>(text.size()));
    bytes_ += text;
  }
  void add_content(const TorchValue::List& items) {
    bytes_ += "](";
    for (const TorchValue& item : items) add(item);
    bytes_ += 'e';
  }
  void add_content(const TorchValue::Dict& entries) {
    bytes_ += "}(";
    for (const TorchValue::Entry& entry : entries) {
      add(entry.key);
      add(entry.value);
    }
    bytes_ += 'u';
  }
  void add_content(const at::Tensor& tensor);
  void add_global(const std::string& module, std::string_view name) {
    bytes_.append("c").append(module).append("\n").append(name).append("\n");
  }
  void add_tuple(at::IntArrayRef numbers) {
    bytes_ += '(';
    for (const std::int64_t number : numbers) add_content(number);
    bytes_ += 't';
  }

  std::string bytes_;
  std::vector<at::Tensor> tensors_;
};

// _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks), the storage as a persistent id.
void PickleWriter::add_content(const at::Tensor& tensor) {
  const auto storage = storage_class(tensor.scalar_type());
  if (!storage) {
    throw Error(ErrorKind::kUnsupported, std::string("tensors of type ") +
                                             at::toString(tensor.scalar_type()) +
                                             " cannot be written by torch.save's older storages");
  }
  const at::Tensor stored = tensor.detach().cpu().contiguous();
  add_global("torch._utils", "_rebuild_tensor_v2");
  bytes_ += "((";
  add_content(std::string("storage"));
  add_global("torch", *storage);
  add_content(std::to_string(tensors_.size()));
  add_content(std::string("cpu"));
  add_content(stored.numel());
  bytes_ += "tQ";
  add_content(std::int64_t{0});
  add_tuple(stored.sizes());
  add_tuple(stored.strides());
  add_content(false);
  add_global("collections", "OrderedDict");
  bytes_ += ")RtR";
  tensors_.push_back(stored);
}

}  // namespace

void write_torch_file(const std::filesystem::path& path, const TorchValue& value) {
  PickleWriter pickle;
  pickle.add(value);
  const std::string text = pickle.finish();
  std::string archive;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* bytes, std::size_t size) {
    archive.append(static_cast<const char*>(bytes), size);
    return size;
  });
  const std::string byte_order = "little";
  writer.writeRecord("data.pkl", text.data(), text.size());
  writer.writeRecord("byteorder", byte_order.data(), byte_order.size());
  for (std::size_t i = 0; i < pickle.tensors().size(); ++i) {
    const at::Tensor& tensor = pickle.tensors()[i];
    writer.writeRecord("data/" + std::to_string(i), tensor.const_data_ptr(), tensor.nbytes());
  }
  writer.writeEndOfFile();
  write_file_atomic(path, archive);
}

}  // namespace quiver
