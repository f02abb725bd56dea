#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace quiver {

// The printable character that stands for each byte in byte-level vocabularies (GPT-2's bytes_to_unicode):
// bytes 33-126, 161-172 and 174-255 are themselves, the other 68 are U+0100 upwards in increasing order.
const std::array<char32_t, 256>& byte_alphabet();

// The bytes a token's text in that alphabet stands for; none if it has a character outside the alphabet.
std::optional<std::string> bytes_of_token(std::string_view content);

}  // namespace quiver
