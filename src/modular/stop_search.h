#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modular/growing_text.h"

namespace quiver {

// Where a stop text begins among the tokens of a text.
struct StopPlace {
  std::size_t tokens = 0;   // up to the one in which it begins, that one included
  std::size_t dropped = 0;  // bytes of that token's text that belong to the stop text
};

// The bytes at the end of `text` that are the beginning, and not all, of a stop text; the most of any.
std::size_t stop_beginning(std::string_view text, std::span<const std::string> stops);

// Looks for stop texts in tokens that come one by one. As transformers' `stop_strings` and
// lm-evaluation-harness it reads them with special tokens spelled out. Borrows the tokenizer and the texts.
class StopSearch {
 public:
  StopSearch(const Tokenizer& tokenizer, std::span<const std::string> stops);

  // The next token; where the first stop text that it completes begins.
  std::optional<StopPlace> add(std::int32_t id);
  // Bytes at the end of the text so far with which a stop text may begin.
  std::size_t held_bytes() const { return stop_beginning(text_.text(), stops_); }

 private:
  std::span<const std::string> stops_;
  std::size_t longest_ = 0;  // bytes
  GrowingText text_;
  std::vector<std::size_t> ends_;  // bytes of text up to each token, that token included
};

// The text of ids (T), special tokens left out, up to the place where a stop text begins.
std::string text_before_stop(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, StopPlace place);

}  // namespace quiver
