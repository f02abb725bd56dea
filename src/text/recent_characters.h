#pragma once

#include <string>
#include <string_view>

namespace quiver {

// The characters of Unicode 15.0 to 16.0 that have a property (general categories L, Lu, Ll, Lm, Lo, M, N, P,
// S and the script Han), as the inside of a PCRE2 class; empty for another property. PCRE2 10.42 knows
// Unicode 14, the regular expression engine of `tokenizers` 0.23 knows Unicode 16, and a letter that only one
// of them knows is cut differently.
std::string recent_characters(std::string_view property);

}  // namespace quiver
