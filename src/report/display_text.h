#pragma once

#include <cstddef>
#include <string>

namespace quiver {

// Text that is safe to show: valid UTF-8 without control characters (each becomes U+FFFD), cut to at most
// `max_characters` with "..." at the end. Requires max_characters >= 4.
std::string display_text(const std::string& text, std::size_t max_characters);

// Characters (code points) in valid UTF-8.
std::size_t character_count(const std::string& text);

// The last part of a path or URI, which tells two libraries or models apart in a picture; all of the text
// when there is no such part.
std::string short_name(const std::string& path);

}  // namespace quiver
