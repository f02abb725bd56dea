#include "modular/stop_search.h"

#include <algorithm>

namespace quiver {

std::size_t stop_beginning(std::string_view text, std::span<const std::string> stops) {
  std::size_t most = 0;
  for (const std::string& stop : stops) {
    for (std::size_t n = std::min(stop.size() - 1, text.size()); n > most; --n) {
      if (text.ends_with(std::string_view(stop).substr(0, n))) most = n;
    }
  }
  return most;
}

StopSearch::StopSearch(const Tokenizer& tokenizer, std::span<const std::string> stops)
    : stops_(stops), text_(tokenizer, SpecialTokens::kKeep) {
  for (const std::string& stop : stops) longest_ = std::max(longest_, stop.size());
}

std::optional<StopPlace> StopSearch::add(std::int32_t id) {
  if (stops_.empty()) return std::nullopt;
  const std::size_t before = text_.text().size();
  text_.add(id);
  const std::string& text = text_.text();
  ends_.push_back(text.size());
  std::size_t found = std::string::npos;
  for (const std::string& stop : stops_)
    found = std::min(found, text.find(stop, before < longest_ ? 0 : before - longest_));
  if (found == std::string::npos) return std::nullopt;
  const auto token = std::upper_bound(ends_.begin(), ends_.end(), found);
  return StopPlace{static_cast<std::size_t>(token - ends_.begin()) + 1, *token - found};
}

std::string text_before_stop(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, StopPlace place) {
  const std::string before = tokenizer.decode(ids.first(place.tokens - 1), SpecialTokens::kSkip);
  std::string text = tokenizer.decode(ids.first(place.tokens), SpecialTokens::kSkip);
  const std::size_t own = text.size() - std::min(before.size(), text.size());  // 0 for a special token
  text.resize(text.size() - std::min(place.dropped, own));
  return text;
}

}  // namespace quiver
