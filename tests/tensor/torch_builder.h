#pragma once

#include <caffe2/serialize/inline_container.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

// A zip archive of stored records, built by hand: `size` and `method` are what its directory says of every
// record.
struct ZipLies {
  std::uint32_t size = 0;    // 0: the true one
  std::uint16_t method = 0;  // 0: stored
};
inline std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& records,
                             ZipLies lies = {}) {
  const auto checksum = [](const std::string& data) {
    std::uint32_t crc = ~0u;
    for (const char byte : data) {
      crc ^= static_cast<unsigned char>(byte);
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
  };
  constexpr std::uint16_t kVersion = 20;
  ByteBuilder archive, directory;
  for (const auto& [name, data] : records) {
    const auto size = lies.size == 0 ? static_cast<std::uint32_t>(data.size()) : lies.size;
    const auto offset = static_cast<std::uint32_t>(archive.bytes().size());
    const std::string common = ByteBuilder()
                                   .number(kVersion)
                                   .number(std::uint16_t{0})
                                   .number(lies.method)
                                   .u32(0)
                                   .u32(checksum(data))
                                   .u32(static_cast<std::uint32_t>(data.size()))
                                   .u32(size)
                                   .number(static_cast<std::uint16_t>(name.size()))
                                   .number(std::uint16_t{0})
                                   .bytes();
    archive.raw("PK\3\4").raw(common).raw(name).raw(data);
    directory.raw("PK\1\2").number(kVersion).raw(common).zeros(10).u32(offset).raw(name);
  }
  const auto count = static_cast<std::uint16_t>(records.size());
  const auto begin = static_cast<std::uint32_t>(archive.bytes().size());
  const auto length = static_cast<std::uint32_t>(directory.bytes().size());
  return archive.raw(directory.bytes())
      .raw("PK\5\6")
      .u32(0)
      .number(count)
      .number(count)
      .u32(length)
      .u32(begin)
      .number(std::uint16_t{0})
      .bytes();
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
