#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quiver/dataset.h"
#include "quiver/tokenizer.h"
#include "text/text_beginning.h"

namespace quiver {

struct TokenizeOptions {
  std::int64_t max_input_length = 1024;  // tokens of prompt and answer together, end-of-text included
  TruncationSide truncation_side = TruncationSide::kRight;
  bool add_eos_to_targets = true;
  bool train_on_inputs = false;  // all tokens are targets
  // What stands before every text, and is never a target; empty: nothing.
  std::optional<TextBeginning> beginning = {};
};

// Prompt and answer as one token sequence.
struct TokenizedExample {
  std::vector<std::int32_t> ids;  // (T); 1 <= T <= max_input_length
  std::int32_t target_begin = 0;  // ids[target_begin, T) are targets; target_begin < T
};

// Prompt and answer with the white space between them settled: joined, they are source + target.
struct JoinedText {
  std::string source;
  std::string target;
};

// Whether a tokenizer makes one token of a space and the word after it, as byte-level ones do.
enum class SpaceMerging { kNone, kIntoNextWord };

// mttl's joining rules: with kIntoNextWord, one trailing space of the source moves to the answer; then an
// answer that would touch the source gets a space. An empty source leaves the answer as it is.
JoinedText join_source_target(std::string_view source, std::string_view target, SpaceMerging merging);

// Tokenizes source + target together, appends `eos_id` (an id, so end-of-text written out in the data stays
// text), and truncates. A token is a target when it ends after the source does; so one that spans the border
// is a target, unlike in mttl, whose count of separately tokenized pieces may be off by one. Empty when
// truncation left no target (right truncation, source too long). Thread-safe. Throws what Tokenizer::encode
// throws, and Error(kUnsupported) for more than 2^31 - 1 tokens.
std::optional<TokenizedExample> tokenize_for_training(const Tokenizer& tokenizer, std::int32_t eos_id,
                                                      const Example& example, const TokenizeOptions& options);

}  // namespace quiver
