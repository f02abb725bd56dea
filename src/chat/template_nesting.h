#pragma once

#include <string>

namespace quiver {

// The engine parses and runs templates by recursion: refuses one whose blocks, brackets or operators nest
// deeper than 200 levels, by an estimate that is never too low. Throws Error(kUnsupported) with `where`.
void check_template_nesting(const std::string& source, const std::string& where);

}  // namespace quiver
