#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quiver/tokenizer.h"

namespace quiver {

// The text of tokens that come one by one. Each costs the decoding of a few
// neighbours: a decoder looks at what stands before a token, not at all of it. Borrows the tokenizer.
class GrowingText {
 public:
  GrowingText(const Tokenizer& tokenizer, SpecialTokens special)
      : tokenizer_(&tokenizer), special_(special) {}

  void add(std::int32_t id);
  const std::string& text() const { return text_; }

 private:
  const Tokenizer* tokenizer_;
  SpecialTokens special_;
  std::string text_;
  std::vector<std::int32_t> window_;  // the last tokens: `context_` whose text is settled, then the newest
  std::size_t context_ = 0;
  std::size_t context_bytes_ = 0;  // of the context's text, decoded alone
  std::size_t settled_ = 0;        // bytes of text_ that stay
};

}  // namespace quiver
