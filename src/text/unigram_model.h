#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_tokens.h"
#include "text/byte_trie.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace quiver {

// The unigram language model of SentencePiece (Kudo 2018): of all ways to cut a word into tokens, the one
// with the largest sum of log-probabilities, found by Viterbi's algorithm.
class UnigramModel : public TokenModel {
 public:
  struct Options {
    std::vector<double> scores;   // log-probabilities by id, of every token of the vocabulary
    std::int32_t unknown_id = 0;  // for characters without a token; neighbours become one unknown token
    bool byte_fallback = false;   // unknown characters become the tokens "<0xHH>" of their bytes
  };

  // REQUIRES: one finite score per id, unknown_id among them.
  UnigramModel(const Vocabulary& vocabulary, Options options);

  // Time is O(n) in the word's bytes times the length of the longest token.
  void encode(std::string_view word, std::vector<WordToken>& tokens) const override;

 private:
  std::vector<WordToken> best_path(std::string_view word) const;

  TextToId ids_;
  ByteTrie trie_;
  std::vector<double> scores_;
  std::int32_t unknown_id_;
  double unknown_score_;
  std::optional<ByteTokens> byte_tokens_;
};

}  // namespace quiver
