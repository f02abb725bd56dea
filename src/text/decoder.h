#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/regex.h"

namespace quiver {

// Rewrites the texts of a sequence of tokens. Called from many threads at the same time.
using DecodeStep = std::function<std::vector<std::string>(std::vector<std::string>)>;

// Turns the texts of tokens into the text they stand for: steps one after the other, then all joined.
// Immutable and thread-safe.
class Decoder {
 public:
  explicit Decoder(std::vector<DecodeStep> steps, std::string separator = "")
      : steps_(std::move(steps)), separator_(std::move(separator)) {}

  std::string decode(std::vector<std::string> tokens) const;

 private:
  std::vector<DecodeStep> steps_;
  std::string separator_;
};

// The decoders of tokenizer.json. Bytes that form no character are given as they are; the reference writes
// U+FFFD for them.

// Each token's bytes, by the byte-level alphabet; a token with another character in it is its own text.
DecodeStep decode_byte_alphabet();
// Tokens "<0xHH>" become their byte.
DecodeStep decode_byte_tokens();
DecodeStep decode_replaced(Regex pattern, std::string content);
// Joins all tokens into one.
DecodeStep decode_fused();
// Takes up to `left` and `right` of `character` off the ends of each token. REQUIRES: one character.
DecodeStep decode_stripped(std::string character, std::size_t left, std::size_t right);
// `replacement` becomes a space; in the first token it goes where the pre-tokenizer put it.
enum class FirstSpace { kKeep, kDrop };
DecodeStep decode_metaspace(std::string replacement, FirstSpace first);

}  // namespace quiver
