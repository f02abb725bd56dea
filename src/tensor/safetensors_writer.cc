#include <algorithm>

#include "core/files.h"
#include "core/json.h"
#include "quiver/error.h"
#include "tensor/dtype.h"
#include "tensor/file_problem.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

constexpr std::size_t kAlignment = 8;

// The text as a JSON string. Throws where replacing broken bytes would silently change it.
std::string json_text(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    throw Error(ErrorKind::kInvalidArgument, in_quotes(text) + " is not valid UTF-8 and cannot be stored");
  }
}

std::string json_name(const std::string& name) {
  if (name == "__metadata__" || name.find('\0') != std::string::npos) {
    throw Error(ErrorKind::kInvalidArgument, in_quotes(name) + " cannot be the name of a tensor");
  }
  return json_text(name);
}

std::string header_text(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) header += json_text(key) + ":" + json_text(value) + ",";
    header.back() = '}';
    header += ',';
  }
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::uint64_t end = offset + tensor.nbytes();
    header += json_name(name) + ":{\"dtype\":\"" + dtype_name(tensor.scalar_type()) +
              "\",\"shape\":" + Json(tensor.sizes().vec()).dump() + ",\"data_offsets\":[" +
              std::to_string(offset) + "," + std::to_string(end) + "]},";
    offset = end;
  }
  if (header.back() == ',') header.pop_back();
  header += '}';
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return header;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, at::Tensor>> ordered;
  std::size_t total = 0;
  for (const auto& [name, tensor] : tensors) {
    dtype_name(tensor.scalar_type());  // throws for a type that cannot be stored, before anything is copied
    ordered.emplace_back(name, tensor.detach().cpu().contiguous());
    total += tensor.nbytes();
  }
  std::ranges::stable_sort(ordered, {},
                           [](const auto& item) { return dtype_layout_rank(item.second.scalar_type()); });
  const std::string header = header_text(ordered, metadata);
  const std::uint64_t length = header.size();
  std::string content;
  content.reserve(sizeof length + header.size() + total);
  content.append(reinterpret_cast<const char*>(&length), sizeof length);
  content += header;
  for (const auto& [name, tensor] : ordered) {
    if (tensor.nbytes() > 0)
      content.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  }
  write_file_atomic(path, content);
}

}  // namespace quiver
