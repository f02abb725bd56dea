#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/token_model.h"
#include "text/vocabulary.h"

namespace quiver {

// The byte that a token such as "<0x0A>" stands for; none for any other text.
std::optional<unsigned char> byte_of_token(std::string_view content);

// The tokens "<0x00>" to "<0xFF>" of a vocabulary, which spell characters that have no token of their own.
class ByteTokens {
 public:
  explicit ByteTokens(const Vocabulary& vocabulary);

  // Appends one token for each byte of `text`, which begins at `begin` of its word. Appends nothing and
  // returns false if one of them is missing.
  bool spell(std::string_view text, std::uint32_t begin, std::vector<WordToken>& tokens) const;

 private:
  std::array<std::int32_t, 256> ids_;  // -1: no token
};

}  // namespace quiver
