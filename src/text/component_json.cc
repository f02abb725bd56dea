#include "text/component_json.h"

#include "text/oniguruma_pattern.h"

namespace quiver {
namespace {

// A Sequence inside a Sequence is legal; this many never are.
constexpr int kMaxDepth = 8;

// The leaves of nested Sequences, in order. `list_key` names a Sequence's list.
void flatten(const Json& section, const std::string& list_key, const std::string& where, int depth,
             std::vector<const Json*>& leaves) {
  if (component_type(section, where) != "Sequence") {
    leaves.push_back(&section);
    return;
  }
  const Json& list = section_of(section, list_key);
  if (!list.is_array() || depth == kMaxDepth) {
    throw Error(
        ErrorKind::kCorruptFile,
        where + ": a Sequence " + (list.is_array() ? "is nested too deep" : "lacks '" + list_key + "'"));
  }
  for (const Json& element : list) flatten(element, list_key, where, depth + 1, leaves);
}

}  // namespace

std::string component_type(const Json& section, const std::string& where) {
  if (!section.is_object()) return section.is_null() ? "null" : dump_json(section).substr(0, 100);
  return json_require<std::string>(section, "type", where);
}

void refuse_component(const std::string& where, const std::string& what, const std::string& name,
                      const std::string& known) {
  throw Error(ErrorKind::kUnsupported,
              where + ": " + what + " '" + name.substr(0, 100) + "' is not supported", "known: " + known);
}

std::vector<const Json*> component_steps(const Json& section, const std::string& list_key,
                                         const std::string& where) {
  std::vector<const Json*> steps;
  if (!section.is_null()) flatten(section, list_key, where, 0, steps);
  return steps;
}

Regex read_pattern(const Json& pattern, const std::string& where) {
  if (pattern.is_object() && pattern.contains("Regex")) {
    return oniguruma_regex(json_require<std::string>(pattern, "Regex", where), where);
  }
  if (pattern.is_object() && pattern.contains("String")) {
    return Regex::literal(json_require<std::string>(pattern, "String", where));
  }
  throw Error(ErrorKind::kCorruptFile,
              where + ": a pattern is neither Regex nor String: " + dump_json(pattern).substr(0, 200));
}

const Json& section_of(const Json& object, const std::string& key) {
  static const Json null;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : null;
}

}  // namespace quiver
