#include "data/task_template.h"

#include <charconv>
#include <functional>
#include <optional>

namespace quiver {
namespace {

std::string present_fields(const Json& value) {
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  if (!value.is_object()) return dump_json(value).substr(0, 100);
  std::string names;
  for (const auto& [name, field] : value.items()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

const Json* child(const Json& value, const std::string& name) {
  if (value.is_object()) {
    const auto found = value.find(name);
    return found == value.end() ? nullptr : &*found;
  }
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  const bool is_index = error == std::errc() && end == name.data() + name.size();
  return value.is_array() && is_index && index < value.size() ? &value[index] : nullptr;
}

[[noreturn]] void throw_brace(std::string_view pattern, const std::string& where) {
  throw Error(ErrorKind::kInvalidArgument, where + ": a brace out of place in '" + std::string(pattern) + "'",
              "{field} is replaced, {{ and }} are braces");
}

// Calls on_character or on_path for each part of the pattern.
void walk_template(std::string_view pattern, const std::string& where,
                   const std::function<void(char)>& on_character,
                   const std::function<void(const std::string&)>& on_path) {
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c != '{' && c != '}') {
      on_character(c);
      ++at;
    } else if (at + 1 < pattern.size() && pattern[at + 1] == c) {
      on_character(c);
      at += 2;
    } else {
      const std::size_t end = pattern.find_first_of("{}", at + 1);
      if (c == '}' || end == std::string_view::npos || pattern[end] == '{') throw_brace(pattern, where);
      on_path(std::string(pattern.substr(at + 1, end - at - 1)));
      at = end + 1;
    }
  }
}

}  // namespace

const Json& field_at(const Json& row, std::string_view path, const std::string& where) {
  const Json* value = &row;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string name(path.substr(begin, end - begin));
    const Json* next = child(*value, name);
    if (next == nullptr) {
      throw Error(ErrorKind::kCorruptFile, where + ": field '" + std::string(path) +
                                               "' is missing; present: " + present_fields(*value));
    }
    value = next;
    begin = end + 1;
  }
  return *value;
}

std::string text_of(const Json& value, const std::string& what, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return dump_json(value);
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  throw Error(ErrorKind::kCorruptFile,
              where + ": '" + what + "' must be a text, is " + dump_json(value).substr(0, 100));
}

std::vector<std::string> texts_at(const Json& row, std::string_view path, const std::string& where) {
  const Json& list = field_at(row, path, where);
  if (!list.is_array()) {
    throw Error(ErrorKind::kCorruptFile,
                where + ": '" + std::string(path) + "' must be a list, is " + dump_json(list).substr(0, 100));
  }
  std::vector<std::string> texts;
  for (const Json& item : list) texts.push_back(text_of(item, std::string(path), where));
  return texts;
}

std::vector<std::string> template_paths(std::string_view pattern, const std::string& where) {
  std::vector<std::string> paths;
  walk_template(
      pattern, where, [](char) {}, [&](const std::string& path) { paths.push_back(path); });
  return paths;
}

std::string fill_template(std::string_view pattern, const Json& row, const std::string& where) {
  std::string text;
  walk_template(
      pattern, where, [&](char c) { text += c; },
      [&](const std::string& path) { text += text_of(field_at(row, path, where), path, where); });
  return text;
}

}  // namespace quiver
