#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"

namespace quiver {

// An entry of `added_tokens`: a text that is cut out before the model sees the rest.
struct AddedToken {
  std::int32_t id = -1;
  std::string content;
  bool special = false;      // left out by decode(..., SpecialTokens::kSkip)
  bool normalized = false;   // looked for in the normalized text rather than the given one
  bool single_word = false;  // only where no word character is next to it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
};

// Finds added tokens in text: leftmost first, the longest of those that begin there. Immutable and
// thread-safe.
class AddedTokenMatcher {
 public:
  // Longer ones are refused: a search costs text length x longest content.
  static constexpr std::size_t kMaxContentBytes = 1024;

  // `content` of the tokens is what is looked for. Of two tokens with one content the first counts.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  // A part of the text: an added token or what lies between two.
  struct Part {
    std::size_t begin;
    std::size_t end;
    std::optional<std::int32_t> id;
  };
  // Whether what is spelled at [begin, end) may be a token.
  using Allows = std::function<bool(std::size_t begin, std::size_t end)>;
  std::vector<Part> split(std::string_view text, const Allows& allows = {}) const;

 private:
  // The longest token that begins at `at`, or null.
  const AddedToken* match_at(std::string_view text, std::size_t at, const Allows& allows) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;  // the contents; its values are indices into tokens_
  std::array<bool, 256> is_first_byte_{};
};

}  // namespace quiver
