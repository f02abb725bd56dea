#pragma once

#include <caffe2/serialize/inline_container.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "tensor/byte_builder.h"

namespace quiver::test {

inline std::string joined(std::initializer_list<std::string_view> parts) {
  ByteBuilder bytes;
  for (const std::string_view part : parts) bytes.raw(part);
  return bytes.bytes();
}

// Pieces of a pickle, protocol 2.
inline std::string pickle_text(const std::string& text) {
  return ByteBuilder().raw("X").u32(static_cast<std::uint32_t>(text.size())).raw(text).bytes();
}
inline std::string pickle_number(std::int32_t value) { return ByteBuilder().raw("J").number(value).bytes(); }
inline std::string pickle_long(std::int64_t value) {
  return ByteBuilder().raw("\x8a\x08").number(value).bytes();
}
inline std::string pickle_name(const std::string& module, const std::string& name) {
  return joined({"c", module, "\n", name, "\n"});
}
inline std::string whole_pickle(const std::string& body) { return joined({"\x80\x02", body, "."}); }

// A storage by persistent id; sizes as pickled values.
inline std::string pickle_storage(const std::string& key, const std::string& count,
                                  const std::string& type = "FloatStorage") {
  return joined({"(", pickle_text("storage"), pickle_name("torch", type), pickle_text(key),
                 pickle_text("cpu"), count, "tQ"});
}
// A tensor on it; shape and strides as pickled tuples.
inline std::string pickle_tensor(const std::string& storage, const std::string& offset,
                                 const std::string& shape, const std::string& strides) {
  return joined({pickle_name("torch._utils", "_rebuild_tensor_v2"), "(", storage, offset, shape, strides,
                 "\x89", pickle_name("collections", "OrderedDict"), ")RtR"});
}

// A zip archive as torch.save writes it, with these records besides data.pkl.
inline std::string torch_archive_bytes(const std::string& pickle,
                                       const std::map<std::string, std::string>& records = {}) {
  std::string bytes;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  for (const auto& [name, data] : records) writer.writeRecord(name, data.data(), data.size());
  writer.writeEndOfFile();
  return bytes;
}

// The older format: four pickles after the magic number, then what `storages` holds.
inline std::string torch_legacy_bytes(const std::string& value, const std::string& keys,
                                      const std::string& storages) {
  using namespace std::string_view_literals;
  return ByteBuilder()
      .raw("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv)
      .raw(whole_pickle(pickle_number(1001)))
      .raw(whole_pickle(joined({"}", pickle_text("little_endian"), "\x88s"})))
      .raw(whole_pickle(value))
      .raw(whole_pickle(keys))
      .raw(storages)
      .bytes();
}

}  // namespace quiver::test
