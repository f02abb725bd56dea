#include "text/character_map.h"

#include <openssl/evp.h>

#include <cstring>

#include "quiver/error.h"
#include "text/graphemes.h"
#include "text/utf8.h"

namespace quiver {
namespace {

// Ten times the largest map known.
constexpr std::size_t kMaxEncodedBytes = 4u << 20;
// Longer grapheme clusters are not looked up as a whole.
constexpr std::size_t kMaxClusterBytes = 5;

// The fields of a unit of a double array, by Darts' layout.
bool has_leaf(std::uint32_t unit) { return (unit >> 8) & 1; }
std::uint32_t label(std::uint32_t unit) { return unit & (0x80000000u | 0xFF); }
std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }
std::uint32_t value(std::uint32_t unit) { return unit & 0x7FFFFFFFu; }

std::string decoded_base64(std::string_view encoded, const std::string& where) {
  std::string bytes(encoded.size() / 4 * 3, '\0');
  const int length = encoded.size() % 4 != 0 || encoded.size() > kMaxEncodedBytes
                         ? -1
                         : EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                           reinterpret_cast<const unsigned char*>(encoded.data()),
                                           static_cast<int>(encoded.size()));
  if (length < 0) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'precompiled_charsmap' of " +
                                             std::to_string(encoded.size()) + " characters is not base64");
  }
  // OpenSSL counts the padding, one or two characters, as bytes.
  for (int i = 0; i < 2 && encoded.ends_with('='); ++i) {
    encoded.remove_suffix(1);
    bytes.pop_back();
  }
  return bytes;
}

}  // namespace

std::shared_ptr<const CharacterMap> CharacterMap::from_base64(std::string_view encoded,
                                                              const std::string& where) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'precompiled_charsmap' " + why);
  };
  const std::string bytes = decoded_base64(encoded, where);
  std::uint32_t size = 0;
  if (bytes.size() < sizeof size) refuse("is too short");
  std::memcpy(&size, bytes.data(), sizeof size);
  if (size == 0 || size % sizeof(std::uint32_t) != 0 || size > bytes.size() - sizeof size) {
    refuse("says that its table has " + std::to_string(size) + " of " + std::to_string(bytes.size()) +
           " bytes");
  }
  std::vector<std::uint32_t> units(size / sizeof(std::uint32_t));
  std::memcpy(units.data(), bytes.data() + sizeof size, size);
  std::string texts = bytes.substr(sizeof size + size);
  if (valid_utf8_prefix(texts) != texts.size()) refuse("holds texts that are not UTF-8");
  return std::shared_ptr<const CharacterMap>(new CharacterMap(std::move(units), std::move(texts)));
}

std::string_view CharacterMap::find(std::string_view text) const {
  std::uint32_t node = offset(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    node ^= byte;
    // A hostile table may point anywhere.
    if (node >= units_.size() || label(units_[node]) != byte) break;
    const bool leaf = has_leaf(units_[node]);
    node ^= offset(units_[node]);
    if (!leaf) continue;
    if (node >= units_.size()) break;
    const std::size_t begin = value(units_[node]);
    if (begin >= texts_.size() || (static_cast<unsigned char>(texts_[begin]) & 0xC0) == 0x80) break;
    const std::string_view rest = std::string_view(texts_).substr(begin);
    return rest.substr(0, rest.find('\0'));
  }
  return {};
}

TracedText CharacterMap::apply(const TracedText& text) const {
  const std::string_view bytes = text.bytes();
  TracedText result;
  const auto map = [&](std::size_t begin, std::size_t end) {
    const std::string_view replacement = find(bytes.substr(begin, end - begin));
    if (replacement.data() == nullptr) return false;
    // What is removed at the beginning belongs to what follows it, so that the text still begins where it
    // did.
    result.append(replacement, text.span(result.bytes().empty() ? 0 : begin, end));
    return true;
  };
  std::size_t begin = 0;
  for (const std::size_t end : grapheme_ends(bytes)) {
    const bool whole = end - begin <= kMaxClusterBytes && map(begin, end);
    while (!whole && begin < end) {
      const std::size_t next = begin + utf8_step(bytes, begin).length;
      if (!map(begin, next)) {
        if (result.bytes().empty() && begin > 0) {
          result.append(bytes.substr(begin, next - begin), text.span(0, next));
        } else {
          result.append_part(text, begin, next);
        }
      }
      begin = next;
    }
    begin = end;
  }
  return result;
}

}  // namespace quiver
