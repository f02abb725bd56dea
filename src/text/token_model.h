#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace quiver {

// A token of a word and the bytes [begin, end) of the word it covers.
struct WordToken {
  std::int32_t id;
  std::uint32_t begin;
  std::uint32_t end;
};

// Turns one word of a pre-tokenizer into tokens. Immutable and thread-safe.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  // Writes the tokens of a word, which is shorter than 4 GiB, over what `tokens` held: a buffer to use again.
  virtual void encode(std::string_view word, std::vector<WordToken>& tokens) const = 0;
};

}  // namespace quiver
