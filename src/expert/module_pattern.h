#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>

namespace quiver {

// A key of PEFT's rank_pattern or alpha_pattern: a module path, its last parts, or a regex for either
// (`^(.*\.)?(key)$` on the whole path; a leading '^' in the key asks for the whole path). Immutable.
class ModulePattern {
 public:
  // Throws Error(kUnsupported), naming the key, for a regex that is invalid, longer than 500 bytes, counts
  // repetitions with {} or refers back to a group.
  explicit ModulePattern(const std::string& key);

  bool matches(std::string_view module_path) const;

 private:
  std::string text_;                 // without the leading '^'
  bool whole_path_ = false;          // the key began with '^'
  std::optional<std::regex> regex_;  // only where the key is more than a path
};

}  // namespace quiver
