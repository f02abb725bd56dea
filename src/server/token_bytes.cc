#include "server/token_bytes.h"

#include <array>

namespace quiver {

TokenBytes::TokenBytes(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  const Encoding encoding = tokenizer.encode("a");
  if (encoding.ids.empty()) return;
  anchor_ = encoding.ids.back();
  anchor_text_ = tokenizer.decode(std::array{*anchor_});
}

std::string TokenBytes::operator()(std::int32_t id) const {
  if (anchor_) {
    const std::string both = tokenizer_.decode(std::array{*anchor_, id});
    if (both.starts_with(anchor_text_)) return both.substr(anchor_text_.size());
  }
  return tokenizer_.decode(std::array{id});
}

}  // namespace quiver
