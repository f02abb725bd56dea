#include "tensor/torch_legacy_file.h"

#include <cstring>

#include "quiver/error.h"
#include "tensor/file_problem.h"

namespace quiver {
namespace {

using namespace std::string_view_literals;

// The pickle of 0x1950a86a20f9469cfc6c.
constexpr std::string_view kMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv;
constexpr std::int64_t kVersion = 1001;

}  // namespace

bool TorchLegacyFile::is_legacy(std::string_view bytes) { return bytes.starts_with(kMagic); }

TorchLegacyFile::TorchLegacyFile(std::string_view bytes, const std::filesystem::path& path) : path_(path) {
  std::string_view rest = bytes.substr(kMagic.size());
  const auto next = [&] {
    Pickle pickle = parse_pickle(rest, path);
    rest.remove_prefix(pickle.size);
    return pickle;
  };
  const Pickle version = next();
  const auto* number = std::get_if<std::int64_t>(&version.nodes[version.root]);
  if (number == nullptr || *number != kVersion) {
    throw Error(ErrorKind::kUnsupported, path.string() + ": a file of torch.save of an unknown version");
  }
  const Pickle machine = next();
  if (const auto* facts = std::get_if<PickleDict>(&machine.nodes[machine.root])) {
    for (const auto& [key, value] : facts->entries) {
      const auto* name = std::get_if<PickleText>(&machine.nodes[key]);
      const auto* is_true = std::get_if<bool>(&machine.nodes[value]);
      if (name != nullptr && name->text == "little_endian" && is_true != nullptr && !*is_true) {
        throw Error(ErrorKind::kUnsupported, path.string() + ": only little-endian files can be read");
      }
    }
  }
  pickle_ = next();
  const Pickle keys = next();
  find_storages(rest, keys);
}

void TorchLegacyFile::find_storages(std::string_view rest, const Pickle& keys) {
  std::map<std::string_view, at::ScalarType> types;
  for (const PickleNode& node : pickle_.nodes) {
    if (const auto* storage = std::get_if<PickleStorage>(&node)) types.emplace(storage->key, storage->dtype);
  }
  const auto* list = std::get_if<PickleList>(&keys.nodes[keys.root]);
  if (list == nullptr) throw_corrupt(path_, "the storage keys are no list");
  for (const PickleId id : list->items) {
    const auto* key = std::get_if<PickleText>(&keys.nodes[id]);
    const auto type = key == nullptr ? types.end() : types.find(key->text);
    if (type == types.end()) throw_corrupt(path_, "a storage key belongs to no tensor");
    std::uint64_t count = 0;
    const std::uint64_t unit = c10::elementSize(type->second);
    if (rest.size() < sizeof count)
      throw_corrupt(path_, "the storage " + in_quotes(key->text) + " is missing");
    std::memcpy(&count, rest.data(), sizeof count);
    rest.remove_prefix(sizeof count);
    if (count > rest.size() / unit) {
      throw_corrupt(path_, "the storage " + in_quotes(key->text) + " of " + std::to_string(count) +
                               " values does not fit in the file");
    }
    storages_[std::string(key->text)] = rest.substr(0, count * unit);
    rest.remove_prefix(count * unit);
  }
}

at::Tensor TorchLegacyFile::read(const std::string& key) {
  const auto found = storages_.find(key);
  if (found == storages_.end()) throw_corrupt(path_, "the storage " + in_quotes(key) + " is missing");
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(found->second.size())}, at::kByte);
  if (!found->second.empty())
    std::memcpy(bytes.mutable_data_ptr(), found->second.data(), found->second.size());
  return bytes;
}

}  // namespace quiver
