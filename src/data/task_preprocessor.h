#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/json.h"

namespace quiver {

// What a task's rows need before its templates can read them: a named function that adds or rewrites fields.
// Throws Error(kCorruptFile) with `where` for a row that does not fit.
using Preprocessor = void (*)(Json& row, const std::string& where);

struct NamedPreprocessor {
  const char* name;
  Preprocessor function;
  std::vector<std::string> fields;  // of the row that it reads
};

// The preprocessor of that name; one that does nothing for "". Throws Error(kInvalidArgument) with `where`
// and the names there are.
const NamedPreprocessor& find_preprocessor(const std::string& name, const std::string& where);

}  // namespace quiver
