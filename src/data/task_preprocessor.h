#pragma once

#include <span>
#include <string>

#include "core/json.h"

namespace quiver {

// What a task's rows need before its templates can read them: a named function that adds or rewrites fields.
// Throws Error(kCorruptFile) with `where` for a row that does not fit.
using Preprocessor = void (*)(Json& row, const std::string& where);

// The preprocessor of that name; one that does nothing for "". Throws Error(kInvalidArgument) with the names
// there are.
Preprocessor find_preprocessor(const std::string& name);

}  // namespace quiver
