#pragma once

#include <jinja/lexer.h>

#include <string>

namespace quiver {

// The engine parses, runs and destroys templates by recursion, chains such as a ~ b ~ c included: refuses one
// where open blocks and the brackets and operators of a tag are more than 500 together. Throws
// Error(kUnsupported) with `where`.
void check_template_nesting(const jinja::lexer_result& lexed, const std::string& where);

}  // namespace quiver
