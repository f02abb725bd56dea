#pragma once

#include <string>
#include <string_view>

#include "core/regex.h"

namespace quiver {

// A regular expression of a tokenizer.json, written for Oniguruma (Ruby syntax, Unicode), as one that PCRE2
// with UTF, UCP and MULTILINE matches in the same way. The two differ in what \s, \w, \h and \p{Script} mean
// and in a few rare constructs; the first three are rewritten, the constructs refused. Throws
// Error(kUnsupported) naming the construct and `where`.
std::string pcre2_from_oniguruma(std::string_view pattern, const std::string& where);

// That expression compiled. Throws also Error(kCorruptFile) for a pattern that is no regular expression.
Regex oniguruma_regex(std::string_view pattern, const std::string& where);

}  // namespace quiver
