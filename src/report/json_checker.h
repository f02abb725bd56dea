#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"

namespace quiver {

// Throws errors about one object of results.json; `where` says which.
class JsonChecker {
 public:
  struct Keys {
    std::vector<std::string> required;
    std::vector<std::string> optional = {};
  };

  JsonChecker(std::string where, ErrorKind kind) : where_(std::move(where)), kind_(kind) {}

  void require(bool holds, const std::string& message, const std::string& hint = {}) const;
  // All required keys and no unknown one.
  void keys(const Json& object, const Keys& keys) const;
  std::string text(const Json& object, const char* key) const;
  double number(const Json& value, const std::string& key) const;
  std::int64_t count(const Json& object, const char* key) const;
  const Json& object(const Json& parent, const char* key) const;
  const Json& array(const Json& parent, const char* key) const;
  // A number within [low, high].
  void in_range(double value, const std::string& key, double low, double high) const;

  // A value as messages quote it.
  static std::string shown(const Json& value);

 private:
  std::string where_;
  ErrorKind kind_;
};

// The largest count: beyond this a double no longer holds every integer, and no evaluation counts so far.
inline constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;

}  // namespace quiver
