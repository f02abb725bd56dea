#pragma once

#include <cstddef>
#include <string>

#include "quiver/tokenizer.h"

namespace quiver {

// Prompt and continuation of one text, moved apart where lm-evaluation-harness moves them apart.
struct SplitText {
  std::string prompt;
  std::string continuation;
};

// Splits texts as the harness does: white space at the prompt's end belongs to the continuation, and the
// continuation begins after as many tokens of the whole text as the prompt alone has. The two differ from a
// split at the character where a token lies across it: some tokenizers have one token for ":\n".
// Remembers the last prompt, which neighbouring choices share. Not thread-safe; borrows the tokenizer.
class ContinuationSplitter {
 public:
  explicit ContinuationSplitter(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // Throws Error(kInvalidArgument) where no token is left for the continuation.
  SplitText split(const std::string& prompt, const std::string& continuation);

 private:
  const Tokenizer& tokenizer_;
  std::string last_prompt_;
  std::size_t last_tokens_ = 0;  // of last_prompt_ without the white space at its end
};

}  // namespace quiver
