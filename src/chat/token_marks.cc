#include "chat/token_marks.h"

#include <algorithm>

namespace quiver {
namespace {

constexpr char kBegin = '\xFE', kEnd = '\xFF';

// Ascending places without overlaps.
std::vector<TextSpan> merged(std::vector<TextSpan> spans) {
  std::ranges::sort(spans, {}, &TextSpan::begin);
  std::vector<TextSpan> result;
  for (const TextSpan& span : spans) {
    if (!result.empty() && span.begin <= result.back().end)
      result.back().end = std::max(result.back().end, span.end);
    else
      result.push_back(span);
  }
  return result;
}

}  // namespace

bool TokenMarks::is_control(std::int32_t id) const {
  return tokenizer_.is_special(id) || source_.find(tokenizer_.token_text(id)) != std::string::npos;
}

bool TokenMarks::is_looked_for(std::int32_t id) const {
  if (tokenizer_.is_special(id)) return false;
  const std::string token = tokenizer_.token_text(id);
  return source_.find("'" + token + "'") != std::string::npos ||
         source_.find('"' + token + '"') != std::string::npos;
}

std::string TokenMarks::mark(const std::string& text) {
  std::string result;
  std::size_t done = 0;
  const Encoding found = tokenizer_.added_tokens(text);
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    if (!is_control(found.ids[i]) || is_looked_for(found.ids[i])) continue;
    const auto [begin, end] = found.spans[i];
    const std::string token = text.substr(begin, end - begin);
    result += text.substr(done, begin - done) + kBegin + token + kEnd;
    done = end;
    marked_.insert(token);
  }
  return result + text.substr(done);
}

std::vector<TextSpan> TokenMarks::without_other_tokens(const std::string& text, TextSpan span) const {
  std::vector<TextSpan> spans;
  std::uint32_t begin = span.begin;
  const Encoding found =
      tokenizer_.added_tokens(std::string_view(text).substr(span.begin, span.end - span.begin));
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    if (is_control(found.ids[i])) continue;
    const std::uint32_t end = span.begin + found.spans[i].begin;
    if (begin < end) spans.push_back({begin, end});
    begin = span.begin + found.spans[i].end;
  }
  if (begin < span.end) spans.push_back({begin, span.end});
  return spans;
}

RenderedText TokenMarks::take_out(const RenderedText& rendered) const {
  RenderedText result;
  const std::string& text = rendered.text;
  std::vector<TextSpan> spans;
  std::vector<std::uint32_t> moved(text.size() + 1);  // where each byte of `text` stands in the result
  for (std::size_t at = 0; at < text.size(); ++at) {
    moved[at] = static_cast<std::uint32_t>(result.text.size());
    if (text[at] != kBegin && text[at] != kEnd) {
      result.text += text[at];
      continue;
    }
    // A template that splits a text may part the marks of a token; then they say nothing.
    const std::size_t end = text.find_first_of({kBegin, kEnd}, at + 1);
    if (text[at] != kBegin || end == std::string::npos || text[end] != kEnd) continue;
    const std::size_t length = end - at - 1;
    if (marked_.contains(text.substr(at + 1, length)))
      spans.push_back({moved[at], moved[at] + static_cast<std::uint32_t>(length)});
  }
  moved[text.size()] = static_cast<std::uint32_t>(result.text.size());
  for (const TextSpan& span : rendered.input) {
    const auto input = without_other_tokens(result.text, {moved[span.begin], moved[span.end]});
    spans.insert(spans.end(), input.begin(), input.end());
  }
  result.input = merged(std::move(spans));
  return result;
}

}  // namespace quiver
