#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace quiver {

// The value at a path of a row: "question", "choices.text", "choices.0". Throws Error(kCorruptFile) with
// `where` and the fields that are there.
const Json& field_at(const Json& row, std::string_view path, const std::string& where);

// A text, number or truth value as a template shows it. Throws Error(kCorruptFile) for anything else.
std::string text_of(const Json& value, const std::string& what, const std::string& where);

// The list of texts at a path.
std::vector<std::string> texts_at(const Json& row, std::string_view path, const std::string& where);

// The paths that a pattern names. Throws Error(kInvalidArgument) for a brace out of place.
std::vector<std::string> template_paths(std::string_view pattern, const std::string& where);

// `pattern` with every {path} replaced by the row's text there; "{{" and "}}" stand for braces. Throws
// Error(kInvalidArgument) for a pattern with a brace out of place, and as field_at.
std::string fill_template(std::string_view pattern, const Json& row, const std::string& where);

}  // namespace quiver
