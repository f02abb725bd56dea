#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "quiver/tokenizer.h"

namespace quiver {

// The bytes that a token stands for inside a text, special tokens spelled out. Borrows the tokenizer;
// thread-safe.
class TokenBytes {
 public:
  explicit TokenBytes(const Tokenizer& tokenizer);

  std::string operator()(std::int32_t id) const;

 private:
  const Tokenizer& tokenizer_;
  // A decoder may take a space from the front of a text: tokens are decoded behind this one.
  std::optional<std::int32_t> anchor_ = {};
  std::string anchor_text_ = {};
};

}  // namespace quiver
