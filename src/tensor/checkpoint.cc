#include "tensor/checkpoint.h"

#include <algorithm>

#include "core/json.h"
#include "core/strings.h"
#include "tensor/file_problem.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr std::uint64_t kMaxIndexBytes = 64ull << 20;

// Tensor name -> shard file name, from the index. A shard must lie in the directory itself, so that an index
// cannot make Quiver read files elsewhere.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const Json index = read_json_file(path, kMaxIndexBytes);
  const Json map = json_require<Json>(index, "weight_map", path.string());
  if (!map.is_object()) throw_corrupt(path, "'weight_map' is not an object");
  std::map<std::string, std::string> shard_names;
  for (const auto& [name, shard] : map.items()) {
    if (!shard.is_string()) throw_corrupt(path, "the shard of tensor " + in_quotes(name) + " is not a text");
    const auto& file = shard.get_ref<const std::string&>();
    const bool has_controls =
        std::ranges::any_of(file, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    const bool plain =
        !has_controls && fs::path(file).filename() == file && !file.empty() && file != "." && file != "..";
    if (!plain) {
      throw_corrupt(path, "the shard " + in_quotes(file) + " of tensor " + in_quotes(name) +
                              " is not a plain file name");
    }
    shard_names.emplace(name, file);
  }
  return shard_names;
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& directory) {
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  if (fs::exists(directory / kSingleFile)) {
    checkpoint.shards_.push_back(SafetensorsFile::open(directory / kSingleFile));
    for (const std::string& name : checkpoint.shards_.front().names()) checkpoint.shard_of_[name] = 0;
    return checkpoint;
  }
  if (!fs::exists(directory / kIndexFile)) {
    throw Error(ErrorKind::kNotFound,
                "'" + directory.string() + "' has neither " + kSingleFile + " nor " + kIndexFile,
                "give a Hugging Face model directory with safetensors weights");
  }
  std::map<std::string, std::size_t> opened;  // shard file name -> index into shards_
  for (const auto& [name, file] : read_index(directory / kIndexFile)) {
    const auto [place, is_new] = opened.try_emplace(file, checkpoint.shards_.size());
    if (is_new) checkpoint.shards_.push_back(SafetensorsFile::open(directory / file));
    if (!checkpoint.shards_[place->second].contains(name)) {
      throw_corrupt(directory / kIndexFile,
                    "tensor " + in_quotes(name) + " is not in its shard " + in_quotes(file));
    }
    checkpoint.shard_of_[name] = place->second;
  }
  return checkpoint;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, shard] : shard_of_) names.push_back(name);
  return names;
}

bool Checkpoint::contains(const std::string& name) const { return shard_of_.contains(name); }

const SafetensorsFile& Checkpoint::shard_with(const std::string& name) const {
  const auto found = shard_of_.find(name);
  if (found == shard_of_.end()) {
    throw Error(ErrorKind::kNotFound, directory_.string() + ": no tensor " + in_quotes(name),
                did_you_mean(name, names()));
  }
  return shards_[found->second];
}

at::ScalarType Checkpoint::dtype(const std::string& name) const { return shard_with(name).dtype(name); }

at::Tensor Checkpoint::read(const std::string& name) const { return shard_with(name).read(name); }

}  // namespace quiver
