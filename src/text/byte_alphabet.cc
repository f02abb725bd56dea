#include "text/byte_alphabet.h"

#include "text/utf8.h"

namespace quiver {
namespace {

std::array<char32_t, 256> make_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    alphabet[byte] = printable ? byte : next++;
  }
  return alphabet;
}

constexpr std::size_t kInverseSize = 0x100 + 68;

// By code point: the byte it stands for, or -1.
std::array<int, kInverseSize> make_inverse() {
  std::array<int, kInverseSize> inverse;
  inverse.fill(-1);
  for (int byte = 0; byte < 256; ++byte) inverse[byte_alphabet()[static_cast<std::size_t>(byte)]] = byte;
  return inverse;
}

}  // namespace

const std::array<char32_t, 256>& byte_alphabet() {
  static const std::array<char32_t, 256> alphabet = make_alphabet();
  return alphabet;
}

std::optional<std::string> bytes_of_token(std::string_view content) {
  static const std::array<int, kInverseSize> inverse = make_inverse();
  std::string bytes;
  for (std::size_t at = 0; at < content.size();) {
    const Utf8Step step = utf8_step(content, at);
    if (!step.valid || step.code_point >= kInverseSize || inverse[step.code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(inverse[step.code_point]);
    at += step.length;
  }
  return bytes;
}

}  // namespace quiver
