#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "quiver/tokenizer.h"
#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace quiver {

// What a Tokenizer is made of, in the order text passes through it: added tokens that are looked for in the
// given text, the normalizer, added tokens that are looked for in normalized text, the pre-tokenizer, the
// model.
struct TokenizerParts {
  Vocabulary vocabulary;  // the model's tokens and the added ones
  AddedTokenMatcher raw_added;
  Normalizer normalizer;
  AddedTokenMatcher normalized_added;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<const TokenModel> model;
  Decoder decoder;
  std::unordered_set<std::int32_t> special_ids;
  std::unordered_map<std::int32_t, std::string> rewritten_added;  // added tokens that the normalizer changes
  TextFrame frame = {};
  std::optional<std::int32_t> bos_id = {};
  std::optional<std::int32_t> eos_id = {};
  std::map<std::string, std::string> named_tokens = {};
};

// Puts the parts together, without a frame. `added` must be in the vocabulary.
std::unique_ptr<TokenizerParts> make_tokenizer_parts(Vocabulary vocabulary, std::vector<AddedToken> added,
                                                     Normalizer normalizer, PreTokenizer pre_tokenizer,
                                                     std::unique_ptr<const TokenModel> model,
                                                     Decoder decoder);

}  // namespace quiver
