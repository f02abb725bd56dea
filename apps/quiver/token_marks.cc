#include "token_marks.h"

#include <algorithm>

#include "text/utf8.h"

namespace quiver::program {
namespace {

constexpr std::size_t kMaxTokens = 256;
constexpr std::size_t kLongestCharacter = 4;  // bytes

// What `id` adds to the text of the token before it: decoders look at their neighbours.
std::string text_of(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, std::size_t at) {
  if (at == 0) return tokenizer.decode(ids.first(1));
  const std::string before = tokenizer.decode(ids.subspan(at - 1, 1));
  const std::string both = tokenizer.decode(ids.subspan(at - 1, 2));
  return both.substr(std::min(before.size(), both.size()));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> token_marks(const Tokenizer& tokenizer,
                                                             std::span<const std::int32_t> ids,
                                                             std::span<const std::int32_t> experts,
                                                             std::span<const std::string> names) {
  std::vector<std::pair<std::string, std::string>> marks;
  std::string text;
  const std::size_t count = std::min(ids.size(), kMaxTokens);
  for (std::size_t i = 0; i < count; ++i) {
    text += text_of(tokenizer, ids, i);
    std::size_t whole = valid_utf8_prefix(text);
    if (i + 1 == count || text.size() - whole >= kLongestCharacter) whole = text.size();
    if (whole == 0) continue;
    const std::string name = experts[i] < 0 ? "" : names[static_cast<std::size_t>(experts[i])];
    marks.emplace_back(text.substr(0, whole), name);
    text.erase(0, whole);
  }
  return marks;
}

}  // namespace quiver::program
