#include "data/unicode_text.h"
#include "quiver/evaluation.h"

namespace quiver {
namespace {

std::string after_the_answer_is(std::string_view text) {
  constexpr std::string_view kMarker = "the answer is ";
  for (std::size_t at = text.find(kMarker); at != std::string_view::npos; at = text.find(kMarker, at + 1)) {
    std::string_view line = text.substr(at + kMarker.size());
    line = line.substr(0, line.find('\n'));
    if (line.empty()) continue;
    while ((static_cast<unsigned char>(line.back()) & 0xC0) == 0x80 && line.size() > 1) line.remove_suffix(1);
    line.remove_suffix(1);
    return std::string(strip(line));
  }
  return "[invalid]";
}

}  // namespace

std::string extract_answer(const std::string& text, AnswerExtraction extraction) {
  return extraction == AnswerExtraction::kTheAnswerIs ? after_the_answer_is(text) : text;
}

}  // namespace quiver
