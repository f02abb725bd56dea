#include "modular/streamed_text.h"

#include <algorithm>

namespace quiver {
namespace {

// Bytes at the end of `text` that begin a character and do not end it.
std::size_t broken_bytes(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) return 0;
    if (byte < 0xC0) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
    return back < length ? back : 0;
  }
  return 0;
}

std::size_t first_stop(std::string_view text, std::span<const std::string> stops) {
  std::size_t found = text.size();
  for (const std::string& stop : stops) found = std::min(found, text.find(stop));
  return found;
}

}  // namespace

std::optional<StopPlace> StreamedText::add(std::int32_t id) {
  text_.add(id);
  return search_.add(id);
}

std::string StreamedText::take() {
  std::string_view text = text_.text();
  if (!stops_.empty()) {
    text = text.substr(0, first_stop(text, stops_));
    text.remove_suffix(std::min(text.size(), std::max(search_.held_bytes(), stop_beginning(text, stops_))));
  }
  text.remove_suffix(broken_bytes(text));
  if (text.size() <= taken_.size()) return {};
  std::string piece(text.substr(taken_.size()));
  taken_ = text;
  return piece;
}

std::string StreamedText::finish(std::span<const std::int32_t> ids, const std::optional<StopPlace>& stop) {
  const std::string whole = continuation(*tokenizer_, ids, stop, stops_);
  return whole.size() > taken_.size() ? whole.substr(taken_.size()) : std::string();
}

std::string continuation(const Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                         const std::optional<StopPlace>& stop, std::span<const std::string> stops) {
  if (ids.empty()) return {};
  std::string text = text_before_stop(tokenizer, ids, stop.value_or(StopPlace{ids.size(), 0}));
  // Left out special tokens may bring a stop text together.
  text.resize(first_stop(text, stops));
  return text;
}

}  // namespace quiver
