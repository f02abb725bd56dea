#include "modular/growing_text.h"

#include <algorithm>

namespace quiver {

void GrowingText::add(std::int32_t id) {
  constexpr std::size_t kNewest = 8;
  window_.push_back(id);
  const std::string decoded = tokenizer_->decode(window_, special_);
  text_.resize(settled_);
  text_.append(decoded, std::min(context_bytes_, decoded.size()));
  if (window_.size() - context_ < kNewest) return;
  const std::span<const std::int32_t> newest = std::span(window_).subspan(context_);
  const std::size_t bytes = tokenizer_->decode(newest, special_).size();
  if (bytes == 0) return;  // no context: what comes next would be decoded as a text's beginning
  window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(context_));
  context_ = window_.size();
  context_bytes_ = bytes;
  settled_ = text_.size();
}

}  // namespace quiver
