#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace quiver {

// Ends of the grapheme clusters (UAX #29, by Unicode 15) of valid UTF-8.
std::vector<std::size_t> grapheme_ends(std::string_view text);

}  // namespace quiver
