#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quiver {

// Texts as Python's str methods see them, which the evaluation harness that we agree with is written in.
// All take UTF-8; broken bytes are no white space and keep their place.

// Python's str.isspace of one character.
bool is_space(char32_t c);

// Without white space at both ends, or at the right end.
std::string_view strip(std::string_view text);
std::string_view strip_right(std::string_view text);

// The first character in title case, the rest in lower case, by the simple mappings of Unicode: Python's few
// characters that become several (the German sharp s, ligatures) stay one.
std::string capitalize(std::string_view text);

// Code points.
std::int64_t character_length(std::string_view text);

}  // namespace quiver
