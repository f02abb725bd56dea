#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace quiver {

// Where matches of a split go: `behavior` of tokenizer.json.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Whether the pattern describes the separators or, `invert`ed, what lies between them.
enum class SplitTarget { kMatches, kGaps };

// One step that cuts pieces at a pattern.
struct SplitStep {
  Regex pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  SplitTarget target = SplitTarget::kMatches;
};

// The parts of `text`, empty ones left out, as [begin, end) byte ranges.
std::vector<Regex::Match> split(const SplitStep& step, std::string_view text);

// The word pattern of GPT-2, which the ByteLevel pre-tokenizer has built in.
extern const char* const kGpt2Pattern;
// The word pattern of Llama 3.
extern const char* const kLlama3Pattern;

// A word for the BPE model.
struct Word {
  std::string_view bytes;  // may begin with the prefix space, which the text does not have
  std::size_t begin;       // where the word begins in the text
  bool has_prefix;         // whether bytes[0] is a prefix space
};

// Cuts text into words: splits, then the ByteLevel step, which may put a space before each piece and then
// split it once more. Immutable and thread-safe.
class PreTokenizer {
 public:
  struct Options {
    std::vector<SplitStep> splits = {};
    bool add_prefix_space = false;             // ByteLevel: unless the piece begins with a space
    std::optional<SplitStep> byte_level = {};  // ByteLevel: use_regex
  };
  explicit PreTokenizer(Options options) : options_(std::move(options)) {}

  // Calls visit(Word) for each word from left to right. The word's bytes live until visit returns.
  template <typename Visit>
  void for_each_word(std::string_view text, Visit&& visit) const {
    for (const Regex::Match& piece : pieces(text)) {
      const std::string_view bytes = text.substr(piece.begin, piece.end - piece.begin);
      const bool prefixed = options_.add_prefix_space && !bytes.starts_with(' ');
      const std::string with_prefix = prefixed ? " " + std::string(bytes) : std::string();
      const std::string_view source = prefixed ? std::string_view(with_prefix) : bytes;
      if (!options_.byte_level) {
        visit(Word{source, piece.begin, prefixed});
        continue;
      }
      for (const Regex::Match& part : split(*options_.byte_level, source)) {
        const bool first = part.begin == 0;
        visit(Word{source.substr(part.begin, part.end - part.begin),
                   piece.begin + part.begin - (prefixed && !first ? 1 : 0), prefixed && first});
      }
    }
  }

 private:
  std::vector<Regex::Match> pieces(std::string_view text) const;

  Options options_;
};

}  // namespace quiver
