#include "experiment/config_values.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <span>

#include "core/strings.h"

namespace quiver {
namespace {

// "16" is no half precision: mttl, too, stores float32 weights for it.
constexpr OptionName<Precision> kPrecisionNames[] = {
    {Precision::kFloat32, "float32"},   {Precision::kFloat32, "32"},    {Precision::kFloat32, "16"},
    {Precision::kBFloat16, "bfloat16"}, {Precision::kBFloat16, "bf16"}, {Precision::kQ8, "q8"}};
constexpr OptionName<BeginOfText> kBeginOfTextNames[] = {
    {BeginOfText::kAuto, "auto"}, {BeginOfText::kAlways, "always"}, {BeginOfText::kNever, "never"}};

template <typename Choice>
void assign_choice(const std::string& key, const ConfigSetting& setting,
                   std::span<const OptionName<Choice>> names, Choice& field) {
  std::string text;
  assign(key, setting, text);
  std::vector<std::string> known;
  for (const auto& [choice, name] : names) {
    if (text == name) {
      field = choice;
      return;
    }
    known.push_back(std::string("'") + name + "'");
  }
  throw_bad_setting(key, setting, "one of " + join(known, ", "));
}

bool is_name_character(char c, bool first) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!first && c >= '0' && c <= '9');
}

std::string substitute(const std::string& text, const std::string& key) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool braces = text.compare(i, 2, "${") == 0;
    const std::size_t begin = i + (braces ? 2 : 1);
    std::size_t end = begin;
    if (text[i] == '$') {
      while (end < text.size() && is_name_character(text[end], end == begin)) ++end;
    }
    // A '$' without a name is a regex's end anchor more often than not.
    if (end == begin || (braces && text.compare(end, 1, "}") != 0)) {
      result += text[i];
      continue;
    }
    const std::string name = text.substr(begin, end - begin);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) {
      throw Error(ErrorKind::kInvalidArgument, "config key '" + key + "': environment variable '" + name +
                                                   "' is not set, in '" + text + "'");
    }
    result += value;
    i = end - (braces ? 0 : 1);
  }
  return result;
}

}  // namespace

Json parse_config_literal(const std::string& text) {
  if (text == "True") return true;
  if (text == "False") return false;
  if (text == "None") return nullptr;
  if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') return text.substr(1, text.size() - 2);
  const Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_discarded()) return parsed;
  double number = 0;  // forms that JSON lacks: "1.", ".5"
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && std::isfinite(number)) {
    const bool leading_zero = text.size() > 1 && text[0] == '0' && text[1] != '.';
    if (!leading_zero) return number;
  }
  return text;
}

void substitute_environment(Json& value, const std::string& key) {
  if (value.is_string()) {
    value = substitute(value.get<std::string>(), key);
  } else if (value.is_array()) {
    for (Json& item : value) substitute_environment(item, key);
  }
}

void throw_bad_setting(const std::string& key, const ConfigSetting& setting, const std::string& wanted) {
  throw Error(ErrorKind::kInvalidArgument, setting.origin + ": '" + key + "' is " +
                                               dump_json(setting.value).substr(0, 200) + ", must be " +
                                               wanted);
}

void assign(const std::string& key, const ConfigSetting& setting, bool& field) {
  const bool is_bit = setting.value == 0 || setting.value == 1;
  if (!setting.value.is_boolean() && !is_bit) throw_bad_setting(key, setting, "true or false");
  field = setting.value == true || setting.value == 1;
}

void assign(const std::string& key, const ConfigSetting& setting, std::int64_t& field) {
  constexpr double kLargest = 9007199254740992.0;  // 2^53: every integer up to here is exact in a double
  const double number = setting.value.is_number() ? setting.value.get<double>() : std::nan("");
  if (!(std::abs(number) <= kLargest) || number != std::floor(number)) {
    throw_bad_setting(key, setting, "a whole number");
  }
  field = static_cast<std::int64_t>(number);
}

void assign(const std::string& key, const ConfigSetting& setting, double& field) {
  if (!setting.value.is_number()) throw_bad_setting(key, setting, "a number");
  field = setting.value.get<double>();
}

void assign(const std::string& key, const ConfigSetting& setting, std::string& field) {
  if (setting.value.is_string()) {
    field = setting.value.get<std::string>();
  } else if (setting.value.is_number() && !setting.text.empty()) {
    field = setting.text;
  } else if (setting.value.is_number_integer()) {
    field = dump_json(setting.value);  // mttl's files have "precision": 32
  } else {
    throw_bad_setting(key, setting, "text");
  }
}

void assign(const std::string& key, const ConfigSetting& setting, std::vector<std::string>& field) {
  field.clear();
  if (!setting.value.is_array()) {
    std::string text;
    assign(key, setting, text);
    field = split_list(text);
    return;
  }
  for (const Json& item : setting.value) {
    if (!item.is_string()) throw_bad_setting(key, setting, "text or a list of texts");
    for (std::string& name : split_list(item.get_ref<const std::string&>())) field.push_back(std::move(name));
  }
}

void assign(const std::string& key, const ConfigSetting& setting, Optimizer& field) {
  assign_choice(key, setting, names_of(field), field);
}
void assign(const std::string& key, const ConfigSetting& setting, Schedule& field) {
  assign_choice(key, setting, names_of(field), field);
}
void assign(const std::string& key, const ConfigSetting& setting, Keep& field) {
  assign_choice(key, setting, names_of(field), field);
}
void assign(const std::string& key, const ConfigSetting& setting, LossMean& field) {
  assign_choice(key, setting, names_of(field), field);
}
void assign(const std::string& key, const ConfigSetting& setting, TruncationSide& field) {
  assign_choice(key, setting, names_of(field), field);
}
void assign(const std::string& key, const ConfigSetting& setting, Precision& field) {
  assign_choice(key, setting, std::span<const OptionName<Precision>>(kPrecisionNames), field);
}
void assign(const std::string& key, const ConfigSetting& setting, BeginOfText& field) {
  assign_choice(key, setting, std::span<const OptionName<BeginOfText>>(kBeginOfTextNames), field);
}

}  // namespace quiver
