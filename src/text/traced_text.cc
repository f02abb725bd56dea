#include "text/traced_text.h"

#include "text/utf8.h"

namespace quiver {

TracedText TracedText::repaired(std::string_view input) {
  TracedText text;
  std::size_t at = valid_utf8_prefix(input);
  if (at == input.size()) {
    text.bytes_ = input;
    return text;
  }
  for (std::size_t begin = 0; begin < input.size();) {
    const Utf8Step step = utf8_step(input, begin);
    const auto source_begin = static_cast<std::uint32_t>(begin);
    if (step.valid) {
      for (std::uint32_t i = 0; i < step.length; ++i) {
        text.append(input.substr(begin + i, 1), {source_begin + i, source_begin + i + 1});
      }
    } else {
      text.append("\xEF\xBF\xBD", {source_begin, source_begin + static_cast<std::uint32_t>(step.length)});
    }
    begin += step.length;
  }
  return text;
}

TextSpan TracedText::span(std::size_t begin, std::size_t end) const {
  if (origins_.empty()) {
    return {offset_ + static_cast<std::uint32_t>(begin), offset_ + static_cast<std::uint32_t>(end)};
  }
  if (begin < end) return {origins_[begin].begin, origins_[end - 1].end};
  const std::uint32_t place = begin < origins_.size() ? origins_[begin].begin : origins_.back().end;
  return {place, place};
}

TracedText TracedText::slice(std::size_t begin, std::size_t end) const {
  TracedText part;
  part.bytes_ = bytes_.substr(begin, end - begin);
  part.offset_ = offset_ + static_cast<std::uint32_t>(begin);
  if (!origins_.empty()) {
    part.origins_.assign(origins_.begin() + static_cast<std::ptrdiff_t>(begin),
                         origins_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return part;
}

void TracedText::append(std::string_view bytes, TextSpan source) {
  bytes_ += bytes;
  origins_.insert(origins_.end(), bytes.size(), source);
}

void TracedText::append_part(const TracedText& other, std::size_t begin, std::size_t end) {
  bytes_.append(other.bytes_, begin, end - begin);
  for (std::size_t at = begin; at < end; ++at) origins_.push_back(other.span(at, at + 1));
}

}  // namespace quiver
