#pragma once

#include <cstddef>
#include <string>

#include "modular/prompt_ids.h"

namespace quiver {

// Splits texts as lm-evaluation-harness 0.4.13 does (HFLM._encode_pair, loglikelihood): white space at the
// prompt's end belongs to the continuation, and the continuation begins after as many tokens of the whole
// text as the prompt alone has. The two differ from a split at the character where a token lies across it:
// some tokenizers have one token for ":\n". Remembers the last prompt, which neighbouring choices share. Not
// thread-safe; borrows the model.
class ContinuationSplitter {
 public:
  explicit ContinuationSplitter(const RoutedModel& model) : model_(model) {}

  // Throws Error(kInvalidArgument) where no token is left for the continuation.
  TextIds split(const std::string& prompt, const std::string& continuation);

 private:
  const RoutedModel& model_;
  std::string last_prompt_;
  std::size_t last_tokens_ = 0;  // of last_prompt_ without the white space at its end
};

}  // namespace quiver
