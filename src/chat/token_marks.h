#pragma once

#include <set>
#include <string>

#include "chat/jinja_program.h"
#include "quiver/tokenizer.h"

namespace quiver {

// Tells the control tokens that a user's texts spell from those that a template writes. Control tokens are,
// as in transformers, the special ones and those of the other added tokens that the template names.
//
// The engine follows input on most ways through a template, but loses it where a text is split or becomes
// JSON. So control tokens in users' texts are marked too, by two bytes that no valid UTF-8 has. Left out are
// tokens that a template looks for in messages ("</think>"), which it would not find between marks.
class TokenMarks {
 public:
  // Both are borrowed.
  TokenMarks(const Tokenizer& tokenizer, const std::string& source)
      : tokenizer_(tokenizer), source_(source) {}

  // `text` with its control tokens marked. REQUIRES: valid UTF-8.
  std::string mark(const std::string& text);

  // Whether anything was marked.
  bool any() const { return !marked_.empty(); }

  // Takes the marks out of what a template made of marked texts. `input` becomes all that must not be read as
  // an added token: what was marked, and what the engine followed but for added tokens that are no control
  // tokens.
  RenderedText take_out(const RenderedText& rendered) const;

 private:
  bool is_control(std::int32_t id) const;
  bool is_looked_for(std::int32_t id) const;
  // A place in `text` without the added tokens in it that are no control tokens.
  std::vector<TextSpan> without_other_tokens(const std::string& text, TextSpan span) const;

  const Tokenizer& tokenizer_;
  const std::string& source_;
  std::set<std::string> marked_;  // what stood between two marks
};

}  // namespace quiver
