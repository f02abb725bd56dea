#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/json.h"
#include "quiver/begin_of_text.h"
#include "quiver/precision.h"
#include "train/option_names.h"

namespace quiver {

// A value somebody gave to a config key. `text` is how it was spelled on the command line (empty for a file):
// a text field takes "007" as it stands, not as the number 7.
struct ConfigSetting {
  Json value;
  std::string text;
  std::string origin;  // "config file a.json" or "-k"
};
using ConfigSettings = std::map<std::string, ConfigSetting>;

// A literal as load_config describes it, or the text itself.
Json parse_config_literal(const std::string& text);

// Replaces `$NAME` and `${NAME}` in every string of `value`; a `$` that no name follows stays. Throws
// Error(kInvalidArgument) naming `key` and a variable that is not set.
void substitute_environment(Json& value, const std::string& key);

// Throws the Error(kInvalidArgument) of a bad setting: key, value, origin, what is wanted.
[[noreturn]] void throw_bad_setting(const std::string& key, const ConfigSetting& setting,
                                    const std::string& wanted);

// Each writes the setting into the field, or throws through throw_bad_setting.
void assign(const std::string& key, const ConfigSetting& setting, bool& field);
void assign(const std::string& key, const ConfigSetting& setting, std::int64_t& field);
void assign(const std::string& key, const ConfigSetting& setting, double& field);
void assign(const std::string& key, const ConfigSetting& setting, std::string& field);
void assign(const std::string& key, const ConfigSetting& setting, std::vector<std::string>& field);
void assign(const std::string& key, const ConfigSetting& setting, Optimizer& field);
void assign(const std::string& key, const ConfigSetting& setting, Schedule& field);
void assign(const std::string& key, const ConfigSetting& setting, Keep& field);
void assign(const std::string& key, const ConfigSetting& setting, LossMean& field);
void assign(const std::string& key, const ConfigSetting& setting, TruncationSide& field);
void assign(const std::string& key, const ConfigSetting& setting, Precision& field);
void assign(const std::string& key, const ConfigSetting& setting, BeginOfText& field);

template <typename T>
void assign(const std::string& key, const ConfigSetting& setting, std::optional<T>& field) {
  field.emplace();
  assign(key, setting, *field);
}

// The JSON form of a field: enums by their name in a config file, an empty optional as null.
inline Json field_json(Precision value) { return precision_name(value); }
inline Json field_json(BeginOfText value) { return begin_of_text_name(value); }

template <typename T>
Json field_json(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return option_name(value);
  } else {
    return value;
  }
}

template <typename T>
Json field_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace quiver
