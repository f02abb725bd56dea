#include "chat/template_nesting.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <vector>

#include "quiver/error.h"

namespace quiver {
namespace {

constexpr int kMaxDepth = 200;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool contains(const auto& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// The depth of one tag's expression: its open brackets, and all operators that may stand inside each other.
int depth_of(std::string_view tag) {
  constexpr std::array<std::string_view, 2> kPrefixes = {"not", "if"};
  int brackets = 0, deepest = 0, operators = 0;
  for (std::size_t at = 0; at < tag.size(); ++at) {
    const char c = tag[at];
    if (c == '(' || c == '[' || c == '{') deepest = std::max(deepest, ++brackets);
    if (c == ')' || c == ']' || c == '}') --brackets;
    if (c == '-' && at + 1 < tag.size() && (tag[at + 1] == '-' || tag[at + 1] == ' ')) ++operators;
    if (!is_word(c) || (at > 0 && is_word(tag[at - 1]))) continue;
    const std::size_t end =
        static_cast<std::size_t>(std::ranges::find_if_not(tag.substr(at), is_word) - tag.substr(at).begin());
    if (contains(kPrefixes, tag.substr(at, end))) ++operators;
  }
  return deepest + operators;
}

// The word that a statement begins with.
std::string_view statement_of(std::string_view tag) {
  const std::size_t begin = std::min(tag.find_first_not_of("-+ \t\n"), tag.size());
  const std::string_view rest = tag.substr(begin);
  return rest.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(rest, is_word) - rest.begin()));
}

// The blocks that stand open in a template. An `elif` is parsed as an `if` inside the one before.
class OpenBlocks {
 public:
  int depth() const { return depth_; }

  void read(std::string_view statement) {
    constexpr std::array<std::string_view, 6> kOpening = {"if",   "for",    "macro",
                                                          "call", "filter", "generation"};
    if (contains(kOpening, statement)) {
      levels_.push_back(1);
      ++depth_;
    } else if (statement == "elif" && !levels_.empty()) {
      ++levels_.back();
      ++depth_;
    } else if (statement.starts_with("end") && !levels_.empty()) {
      depth_ -= levels_.back();
      levels_.pop_back();
    }
  }

 private:
  std::vector<int> levels_;  // of each open block
  int depth_ = 0;
};

}  // namespace

void check_template_nesting(const std::string& source, const std::string& where) {
  OpenBlocks blocks;
  for (std::size_t at = 0; (at = source.find('{', at)) != std::string::npos;) {
    const bool is_statement = source.compare(at, 2, "{%") == 0;
    if (!is_statement && source.compare(at, 2, "{{") != 0) {
      ++at;
      continue;
    }
    const std::size_t end = std::min(source.find(is_statement ? "%}" : "}}", at + 2), source.size());
    const std::string_view tag = std::string_view(source).substr(at + 2, end - at - 2);
    if (is_statement) blocks.read(statement_of(tag));
    if (blocks.depth() + depth_of(tag) > kMaxDepth) {
      throw Error(ErrorKind::kUnsupported,
                  where + ": the chat template nests deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    at = end;
  }
}

}  // namespace quiver
