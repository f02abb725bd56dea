#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "quiver/error.h"

namespace quiver {

using Json = nlohmann::json;

// Parses JSON text; `where` (a file name) goes into the message. Throws Error(kCorruptFile).
Json parse_json(std::string_view text, const std::string& where);

// Reads and parses a file of at most `max_bytes`. Throws Error(kNotFound, kIo, kCorruptFile).
Json read_json_file(const std::filesystem::path& path, std::uint64_t max_bytes = 512ull << 20);

// Text that is always valid UTF-8: broken bytes become U+FFFD. `indent` < 0 gives one line. Throws
// Error(kNotFinite) for a NaN or an infinity, naming its place.
std::string dump_json(const Json& value, int indent = -1);

// The value at `key` as T, or `fallback` where the key is absent or null. Throws Error(kInvalidArgument) with
// `where`, the key and the value when the type does not fit.
template <typename T>
T json_value(const Json& object, const std::string& key, T fallback, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  try {
    return found->get<T>();
  } catch (const Json::exception&) {
    throw Error(ErrorKind::kInvalidArgument,
                where + ": '" + key + "' has the wrong type: " + dump_json(*found).substr(0, 200));
  }
}

// As above for a key that must be there. Throws Error(kCorruptFile) when it is absent.
template <typename T>
T json_require(const Json& object, const std::string& key, const std::string& where) {
  if (!object.is_object() || !object.contains(key) || object.at(key).is_null()) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' is missing");
  }
  return json_value<T>(object, key, T{}, where);
}

}  // namespace quiver
