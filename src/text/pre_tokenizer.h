#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/regex.h"
#include "text/normalizer.h"
#include "text/traced_text.h"

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

// The word pattern of Qwen 2 and 3.
extern const char* const kQwen2Pattern;

// Cuts text into words for the model: splits, then the last step, which may rewrite each piece before it cuts
// it once more. Immutable and thread-safe.
class PreTokenizer {
 public:
  struct Options {
    std::vector<SplitStep> splits = {};
    Rewrite rewrite = {};                 // of each piece; empty: none
    std::optional<SplitStep> words = {};  // of each rewritten piece
  };
  explicit PreTokenizer(Options options) : options_(std::move(options)) {}

  // Calls visit(source, range) for each word from left to right: bytes `range` of `source`, a text that lives
  // until visit returns.
  template <typename Visit>
  void for_each_word(const TracedText& text, Visit&& visit) const {
    for (const Regex::Match& piece : pieces(text.bytes())) {
      if (options_.rewrite) {
        const TracedText rewritten = options_.rewrite(text.slice(piece.begin, piece.end));
        visit_words(rewritten, {0, rewritten.bytes().size()}, visit);
      } else {
        visit_words(text, piece, visit);
      }
    }
  }

 private:
  std::vector<Regex::Match> pieces(std::string_view text) const;

  template <typename Visit>
  void visit_words(const TracedText& source, const Regex::Match& piece, Visit&& visit) const {
    if (!options_.words) return visit(source, piece);
    const std::string_view bytes =
        std::string_view(source.bytes()).substr(piece.begin, piece.end - piece.begin);
    for (const Regex::Match& word : split(*options_.words, bytes))
      visit(source, Regex::Match{piece.begin + word.begin, piece.begin + word.end});
  }

  Options options_;
};

// The last steps of the two families of tokenizers.

// ByteLevel: puts a space before each piece that does not begin with one.
TracedText with_leading_space(const TracedText& text);

// Metaspace: spaces become `replacement`, which is also put before a piece without it: before every piece, or
// before one that begins the text.
enum class PrependScheme { kFirst, kAlways, kNever };
TracedText with_metaspaces(const std::string& replacement, PrependScheme scheme, const TracedText& text);

}  // namespace quiver
