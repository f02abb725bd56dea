#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/traced_text.h"

namespace quiver {

// SentencePiece's `precompiled_charsmap`: a double array (Darts) of character sequences and what each
// becomes, such as nmt_nfkc. Applied as `tokenizers` does, which differs from SentencePiece: a grapheme
// cluster of up to 5 bytes becomes whatever its shortest entry says, longer ones are mapped character by
// character. Immutable and thread-safe.
class CharacterMap {
 public:
  // `encoded` is base64: a 32-bit size, the double array, texts that end in zero bytes. Throws
  // Error(kCorruptFile) naming `where`.
  static std::shared_ptr<const CharacterMap> from_base64(std::string_view encoded, const std::string& where);

  TracedText apply(const TracedText& text) const;

 private:
  CharacterMap(std::vector<std::uint32_t> units, std::string texts)
      : units_(std::move(units)), texts_(std::move(texts)) {}

  // What the shortest entry that `text` begins with becomes; null data where there is none.
  std::string_view find(std::string_view text) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

}  // namespace quiver
