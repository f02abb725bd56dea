#include "text/byte_tokens.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace quiver {
namespace {

std::string token_of_byte(std::size_t byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 0xF], '>'};
}

}  // namespace

std::optional<unsigned char> byte_of_token(std::string_view content) {
  if (content.size() != 6 || !content.starts_with("<0x") || !content.ends_with('>')) return std::nullopt;
  unsigned char byte = 0;
  const char* const end = content.data() + 5;
  const auto [stop, error] = std::from_chars(content.data() + 3, end, byte, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return byte;
}

ByteTokens::ByteTokens(const Vocabulary& vocabulary) {
  for (std::size_t byte = 0; byte < ids_.size(); ++byte)
    ids_[byte] = vocabulary.id(token_of_byte(byte)).value_or(-1);
}

bool ByteTokens::spell(std::string_view text, std::uint32_t begin, std::vector<WordToken>& tokens) const {
  const auto id_of = [&](char byte) { return ids_[static_cast<unsigned char>(byte)]; };
  if (std::any_of(text.begin(), text.end(), [&](char byte) { return id_of(byte) < 0; })) return false;
  for (const char byte : text) {
    tokens.push_back({id_of(byte), begin, begin + 1});
    ++begin;
  }
  return true;
}

}  // namespace quiver
