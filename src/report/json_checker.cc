#include "report/json_checker.h"

#include <algorithm>
#include <cmath>

#include "core/strings.h"

namespace quiver {
namespace {

std::string wrong_type(const std::string& key, const char* wanted, const Json& value) {
  return "'" + key + "' must be " + wanted + " but is " + JsonChecker::shown(value);
}

}  // namespace

std::string JsonChecker::shown(const Json& value) { return dump_json(value).substr(0, 100); }

void JsonChecker::require(bool holds, const std::string& message, const std::string& hint) const {
  if (!holds) throw Error(kind_, where_ + ": " + message, hint);
}

void JsonChecker::keys(const Json& object, const Keys& keys) const {
  require(object.is_object(), "expected an object, got " + shown(object));
  std::vector<std::string> known = keys.required;
  known.insert(known.end(), keys.optional.begin(), keys.optional.end());
  for (const auto& item : object.items()) {
    require(std::find(known.begin(), known.end(), item.key()) != known.end(),
            "unknown key " + shown(item.key()), did_you_mean(item.key(), known));
  }
  for (const std::string& key : keys.required) require(object.contains(key), "'" + key + "' is missing");
}

std::string JsonChecker::text(const Json& object, const char* key) const {
  const Json& value = object.at(key);
  require(value.is_string(), wrong_type(key, "text", value));
  return value.get<std::string>();
}

double JsonChecker::number(const Json& value, const std::string& key) const {
  require(value.is_number(), wrong_type(key, "a number", value));
  return value.get<double>();
}

std::int64_t JsonChecker::count(const Json& object, const char* key) const {
  const Json& value = object.at(key);
  const bool fits = value.is_number_integer() && value.get<double>() >= 0 &&
                    value.get<double>() <= static_cast<double>(kMaxCount);
  require(fits, wrong_type(key, "a whole number, 0 or more,", value));
  return value.get<std::int64_t>();
}

const Json& JsonChecker::object(const Json& parent, const char* key) const {
  const Json& value = parent.at(key);
  require(value.is_object(), wrong_type(key, "an object", value));
  return value;
}

const Json& JsonChecker::array(const Json& parent, const char* key) const {
  const Json& value = parent.at(key);
  require(value.is_array(), wrong_type(key, "an array", value));
  return value;
}

void JsonChecker::in_range(double value, const std::string& key, double low, double high) const {
  require(std::isfinite(value) && value >= low && value <= high, "'" + key + "' must lie between " +
                                                                     shown(low) + " and " + shown(high) +
                                                                     " but is " + std::to_string(value));
}

}  // namespace quiver
