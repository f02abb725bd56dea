#include "tensor/torch_archive.h"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>

#include <stdexcept>

#include "quiver/error.h"
#include "tensor/file_problem.h"

namespace quiver {

struct TorchArchive::Reader {
  explicit Reader(const std::filesystem::path& path) : archive(path.string()) {}
  caffe2::serialize::PyTorchStreamReader archive;
};

namespace {

[[noreturn]] void throw_unreadable(const std::filesystem::path& path, const char* reason) {
  // LibTorch takes the memory that a record claims before it reads.
  const bool no_memory = std::string_view(reason).find("DefaultCPUAllocator") != std::string_view::npos;
  throw_corrupt(path, "the zip archive cannot be read: " +
                          (no_memory ? "a record claims more than the memory there is" : in_quotes(reason)));
}

// Runs a call of LibTorch's reader, whose every complaint is about the file. A version number of too many
// digits leaves it as the std::out_of_range of its conversion.
template <typename Call>
auto blame_archive(const std::filesystem::path& path, Call&& call) {
  try {
    return call();
  } catch (const c10::Error& error) {
    throw_unreadable(path, error.what_without_backtrace());
  } catch (const std::logic_error& error) {
    throw_unreadable(path, error.what());
  }
}

}  // namespace

TorchArchive::TorchArchive(const std::filesystem::path& path, std::uint64_t file_bytes)
    : path_(path),
      bytes_left_(file_bytes),
      reader_(blame_archive(path, [&] { return std::make_unique<Reader>(path); })) {
  if (has_record("constants.pkl")) {
    throw Error(ErrorKind::kUnsupported, path.string() + ": a TorchScript program, not values of torch.save",
                "save the state_dict instead");
  }
  if (!has_record("data.pkl"))
    throw_corrupt(path, "the zip archive has no data.pkl: not a file of torch.save");
  if (!has_record("byteorder")) return;
  const std::string order = read_text("byteorder");
  if (order == "little") return;
  throw Error(ErrorKind::kUnsupported, path.string() + ": the byte order is " + in_quotes(order) +
                                           "; only little-endian files can be read");
}

TorchArchive::~TorchArchive() = default;

bool TorchArchive::has_record(const std::string& name) {
  return blame_archive(path_, [&] { return reader_->archive.hasRecord(name); });
}

at::Tensor TorchArchive::read_record(const std::string& name) {
  return blame_archive(path_, [&] {
    const std::uint64_t size = reader_->archive.getRecordSize(name);
    if (size > bytes_left_) {
      throw_corrupt(path_, "the record " + in_quotes(name) + " of " + std::to_string(size) +
                               " bytes is larger than the file");
    }
    bytes_left_ -= size;
    at::Tensor bytes = at::empty({static_cast<std::int64_t>(size)}, at::kByte);
    if (reader_->archive.getRecord(name, bytes.mutable_data_ptr(), size) != size) {
      throw_corrupt(path_, "the record " + in_quotes(name) + " is cut short");
    }
    return bytes;
  });
}

std::string TorchArchive::read_text(const std::string& name) {
  const at::Tensor bytes = read_record(name);
  return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<std::size_t>(bytes.numel())};
}

std::string TorchArchive::pickle() { return read_text("data.pkl"); }

at::Tensor TorchArchive::read(const std::string& key) {
  if (!has_record("data/" + key)) throw_corrupt(path_, "the storage " + in_quotes(key) + " is missing");
  return read_record("data/" + key);
}

}  // namespace quiver
