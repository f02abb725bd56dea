#include "expert/module_pattern.h"

#include <algorithm>

#include "quiver/error.h"

namespace quiver {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-';
}

}  // namespace

ModulePattern::ModulePattern(const std::string& key) : text_(key) {
  if (text_.starts_with('^')) {
    whole_path_ = true;
    text_.erase(0, 1);
  }
  if (std::all_of(text_.begin(), text_.end(), is_plain)) return;
  const Error refused(ErrorKind::kUnsupported,
                      "the module pattern '" + key.substr(0, 200) + "' cannot be evaluated",
                      "write the module paths out, or use a simpler regex");
  if (text_.size() > 500) throw refused;
  try {
    regex_ = Regex::python_fullmatch((whole_path_ ? "(?:" : "(?:.*\\.)?(?:") + text_ + ")", "module pattern");
  } catch (const Error&) {
    throw refused;
  }
}

bool ModulePattern::matches(std::string_view module_path) const {
  if (regex_) return regex_->matches(module_path);
  if (module_path.size() < text_.size()) return false;
  const std::size_t start = module_path.size() - text_.size();
  if (start > 0 && (whole_path_ || module_path[start - 1] != '.')) return false;
  // A dot of the key is a regex dot: any character.
  return std::equal(text_.begin(), text_.end(), module_path.begin() + static_cast<std::ptrdiff_t>(start),
                    [](char pattern, char c) { return pattern == '.' || pattern == c; });
}

}  // namespace quiver
