#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/byte_tokens.h"
#include "text/merge_table.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace quiver {

// Byte pair encoding: a word starts as one token per byte or per character, which the merges then join.
class BytePairModel : public TokenModel {
 public:
  // What a word starts as, and how the vocabulary spells its tokens.
  enum class Units {
    kBytes,       // one token per byte; texts in the byte-level alphabet
    kCharacters,  // one token per character; texts as they are
  };
  struct Options {
    Units units = Units::kBytes;
    MergeTable merges = {};
    bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
    bool byte_fallback = false;  // a character without a token becomes the tokens "<0xHH>" of its bytes
    std::optional<std::string> unknown_token =
        {};                     // for units without a token; without it such units are dropped
    bool fuse_unknown = false;  // neighbouring unknown units become one unknown token
  };

  // Throws Error(kCorruptFile) naming `where` if the vocabulary lacks the unknown token.
  BytePairModel(const Vocabulary& vocabulary, Options options, const std::string& where);

  // Time is O(n log n) in the word's bytes.
  void encode(std::string_view word, std::vector<WordToken>& tokens) const override;

 private:
  void add_bytes(std::string_view word, std::vector<WordToken>& symbols) const;
  void add_characters(std::string_view word, std::vector<WordToken>& symbols) const;
  void add_unknown(std::uint32_t begin, std::uint32_t end, bool after_unknown,
                   std::vector<WordToken>& symbols) const;

  Units units_;
  MergeTable merges_;
  std::array<std::int32_t, 256> byte_ids_;                    // for kBytes; -1: no token
  std::unordered_map<char32_t, std::int32_t> character_ids_;  // for kCharacters
  std::optional<ByteTokens> byte_tokens_;                     // for byte_fallback
  TextToId whole_words_;                                      // filled for ignore_merges
  std::int32_t unknown_id_ = -1;
  bool fuse_unknown_;
};

}  // namespace quiver
