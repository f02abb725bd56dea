#include "core/json.h"

#include <cmath>
#include <optional>

#include "core/files.h"

namespace quiver {
namespace {

// The library parses iteratively but copies, compares and dumps recursively, so depth must be bounded
// beforehand.
void check_depth(std::string_view text, const std::string& where) {
  constexpr int kMaxDepth = 200;
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) {
        throw Error(ErrorKind::kCorruptFile,
                    where + ": JSON nested deeper than " + std::to_string(kMaxDepth) + " levels");
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

// Where a NaN or an infinity stands, as "/rows/0/value".
std::optional<std::string> find_not_finite(const Json& value) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) return "";
  if (value.is_object()) {
    for (auto item = value.begin(); item != value.end(); ++item) {
      if (const auto rest = find_not_finite(*item)) return "/" + item.key() + *rest;
    }
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (const auto rest = find_not_finite(value[i])) return "/" + std::to_string(i) + *rest;
    }
  }
  return std::nullopt;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  check_depth(text, where);
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::kCorruptFile, where + ": not valid JSON: " + e.what());
  }
}

Json read_json_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return parse_json(read_file(path, max_bytes), path.string());
}

std::string dump_json(const Json& value, int indent) {
  if (const auto place = find_not_finite(value)) {  // the library would write null
    throw Error(ErrorKind::kNotFinite, "the number to be written at '" + *place + "' is not finite");
  }
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace quiver
