#pragma once

#include <string>
#include <string_view>

namespace quiver {

// A regular expression written for Python's re, as one that PCRE2 with UTF and UCP matches in the same way.
// Throws Error(kInvalidArgument), with `where` and the pattern, for what Python refuses and PCRE2 would read
// as something.
std::string pcre2_from_python(std::string_view pattern, const std::string& where);

}  // namespace quiver
