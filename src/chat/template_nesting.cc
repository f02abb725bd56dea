#include "chat/template_nesting.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "quiver/error.h"

namespace quiver {
namespace {

using jinja::token;

constexpr std::size_t kMaxDepth = 500;

bool contains(const auto& all, const auto& one) { return std::ranges::find(all, one) != all.end(); }

bool begins_tag(const token& one) {
  return one.t == token::open_statement || one.t == token::open_expression;
}

// Whether the parser may put an expression inside another one here.
bool nests(const token& one) {
  constexpr std::array kOperators = {token::open_paren,
                                     token::open_square_bracket,
                                     token::open_curly_bracket,
                                     token::call_operator,
                                     token::dot,
                                     token::pipe,
                                     token::additive_binary_operator,
                                     token::multiplicative_binary_operator,
                                     token::comparison_binary_operator,
                                     token::unary_operator};
  constexpr std::array<std::string_view, 6> kWords = {"not", "if", "is", "and", "or", "in"};
  return contains(kOperators, one.t) || (one.t == token::identifier && contains(kWords, one.value));
}

// The blocks that stand open in a template. An `elif` is parsed as an `if` inside the one before.
class OpenBlocks {
 public:
  std::size_t depth() const { return depth_; }

  // A statement by its first word; `assigns`: it has an equals sign.
  void read(const std::string& word, bool assigns) {
    constexpr std::array<std::string_view, 5> kOpening = {"if", "for", "macro", "call", "filter"};
    if (contains(kOpening, word) || (word == "set" && !assigns)) {
      open_.emplace_back(word, 1);
      ++depth_;
    } else if (open_.empty()) {
      return;
    } else if (word == "elif") {
      ++open_.back().second;
      ++depth_;
    } else if (word == "end" + open_.back().first) {
      depth_ -= open_.back().second;
      open_.pop_back();
    }
  }

 private:
  std::vector<std::pair<std::string, std::size_t>> open_;  // their words and levels
  std::size_t depth_ = 0;
};

}  // namespace

void check_template_nesting(const jinja::lexer_result& lexed, const std::string& where) {
  OpenBlocks blocks;
  const std::vector<token>& tokens = lexed.tokens;
  for (auto tag = std::ranges::find_if(tokens, begins_tag); tag != tokens.end();) {
    const auto end = std::find_if(tag + 1, tokens.end(), begins_tag);
    if (tag->t == token::open_statement && tag + 1 != end) {
      const bool assigns = std::any_of(tag, end, [](const token& one) { return one.t == token::equals; });
      blocks.read((tag + 1)->value, assigns);
    }
    if (blocks.depth() + static_cast<std::size_t>(std::count_if(tag, end, nests)) > kMaxDepth) {
      throw Error(ErrorKind::kUnsupported,
                  where + ": the chat template nests deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    tag = end;
  }
}

}  // namespace quiver
