#pragma once

#include <optional>
#include <span>
#include <string>

#include "modular/growing_text.h"
#include "modular/stop_search.h"

namespace quiver {

// What a reader may see of tokens that come one by one: their text without special tokens, in whole
// characters, and nothing that a stop text may still take back. Borrows the tokenizer and the stop texts.
class StreamedText {
 public:
  StreamedText(const Tokenizer& tokenizer, std::span<const std::string> stops)
      : tokenizer_(&tokenizer),
        stops_(stops),
        search_(tokenizer, stops),
        text_(tokenizer, SpecialTokens::kSkip) {}

  // The next token; where the first stop text that it completes begins.
  std::optional<StopPlace> add(std::int32_t id);
  // What has become certain since the last call.
  std::string take();
  // The rest of the text of all tokens `ids`, which end with the stop text if there is one.
  std::string finish(std::span<const std::int32_t> ids, const std::optional<StopPlace>& stop);

 private:
  const Tokenizer* tokenizer_;
  std::span<const std::string> stops_;
  StopSearch search_;
  GrowingText text_;
  std::string taken_;
};

// The text of all new tokens up to the stop text, without special tokens.
std::string continuation(const Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                         const std::optional<StopPlace>& stop, std::span<const std::string> stops);

}  // namespace quiver
