#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quiver/tokenizer.h"

namespace quiver {

// The text, special tokens spelled out, of tokens that come one by one. Each costs the decoding of a few
// neighbours: a decoder looks at what stands before a token, not at all of it. Borrows the tokenizer.
class GrowingText {
 public:
  explicit GrowingText(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  void add(std::int32_t id);
  const std::string& text() const { return text_; }

 private:
  const Tokenizer* tokenizer_;
  std::string text_;
  std::vector<std::int32_t> window_;  // the last tokens: `context_` whose text is settled, then the newest
  std::size_t context_ = 0;
  std::size_t context_bytes_ = 0;  // of the context's text, decoded alone
  std::size_t settled_ = 0;        // bytes of text_ that stay
};

}  // namespace quiver
