#include "tensor/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/strings.h"
#include "quiver/error.h"
#include "tensor/file_problem.h"

namespace quiver {

static_assert(std::endian::native == std::endian::little,
              "tensors are copied from little-endian files as is");

SafetensorsFile::Content::Content(const std::filesystem::path& path)
    : file(path), header(parse_safetensors_header(file.bytes(), path)) {}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  return SafetensorsFile(std::make_shared<const Content>(path));
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : content_->header.entries) names.push_back(name);
  return names;
}

bool SafetensorsFile::contains(const std::string& name) const {
  return content_->header.entries.contains(name);
}

const SafetensorsEntry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = content_->header.entries.find(name);
  if (found == content_->header.entries.end()) {
    throw Error(ErrorKind::kNotFound, content_->file.path().string() + ": no tensor " + in_quotes(name),
                did_you_mean(name, names()));
  }
  return found->second;
}

std::vector<std::int64_t> SafetensorsFile::shape(const std::string& name) const { return entry(name).shape; }

at::ScalarType SafetensorsFile::dtype(const std::string& name) const { return entry(name).dtype; }

const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return content_->header.metadata;
}

at::Tensor SafetensorsFile::read(const std::string& name) const {
  const SafetensorsEntry& place = entry(name);
  const std::string_view bytes =
      content_->file.bytes().substr(content_->header.data_start + place.begin, place.end - place.begin);
  if (place.dtype == at::kBool &&
      std::ranges::any_of(bytes, [](char byte) { return byte != 0 && byte != 1; })) {
    throw_corrupt(content_->file.path(),
                  "boolean tensor " + in_quotes(name) + " has a byte other than 0 and 1");
  }
  at::Tensor tensor = at::empty(place.shape, at::TensorOptions(place.dtype));
  if (!bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

}  // namespace quiver
