#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/regex.h"

namespace quiver {

// A key of PEFT's rank_pattern or alpha_pattern: a module path, its last parts, or a regex for either
// (`^(.*\.)?(key)$` on the whole path; a leading '^' in the key asks for the whole path). Immutable.
class ModulePattern {
 public:
  // Throws Error(kUnsupported), naming the key, for a regex that is invalid or longer than 500 bytes.
  explicit ModulePattern(const std::string& key);

  // Throws Error(kUnsupported) for a regex that backtracks without end on this path.
  bool matches(std::string_view module_path) const;

 private:
  std::string text_;            // without the leading '^'
  bool whole_path_ = false;     // the key began with '^'
  std::optional<Regex> regex_;  // only where the key is more than a path
};

}  // namespace quiver
