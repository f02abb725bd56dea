#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/vocabulary.h"

namespace quiver {

// A token of a word and the bytes [begin, end) of the word it covers.
struct WordToken {
  std::int32_t id;
  std::uint32_t begin;
  std::uint32_t end;
};

// The two token texts that a merge rule joins.
struct MergeRule {
  std::string left;
  std::string right;
};

// Parses "left right". Throws Error(kCorruptFile) naming `where` and the line.
MergeRule parse_merge(const std::string& line, const std::string& where);

// Byte pair encoding (Sennrich et al. 2016) over bytes: a word starts as one token per byte, and the adjacent
// pair with the best merge rule, leftmost first, is joined until no rule applies. Immutable and thread-safe.
class BytePairModel {
 public:
  struct Options {
    std::vector<MergeRule> merges = {};  // best first; of two rules for one pair the later counts
    bool ignore_merges = false;          // a word that is a token is that token, whatever the rules say
    std::optional<std::string> unknown_token =
        {};                     // for bytes without a token; without it such bytes are dropped
    bool fuse_unknown = false;  // neighbouring unknown bytes become one unknown token
  };

  // `vocabulary` holds texts in the byte-level alphabet. Throws Error(kCorruptFile) naming `where` if a rule
  // names or makes a token that the vocabulary lacks.
  BytePairModel(const Vocabulary& vocabulary, const Options& options, const std::string& where);

  // Appends the tokens of a word. Time is O(n log n) in its bytes. `word` is shorter than 4 GiB.
  void encode(std::string_view word, std::vector<WordToken>& tokens) const;

 private:
  struct Merge {
    std::uint32_t rank;  // lower is better
    std::int32_t result;
  };
  const Merge* find_merge(std::int32_t left, std::int32_t right) const;
  void add_merges(const Vocabulary& vocabulary, const Options& options, const std::string& where);
  std::vector<WordToken> initial_tokens(std::string_view word) const;
  void merge_short(std::vector<WordToken>& symbols) const;
  void merge_long(std::vector<WordToken>& symbols) const;

  std::unordered_map<std::uint64_t, Merge> merges_;  // by left id << 32 | right id
  std::array<std::int32_t, 256> byte_ids_;           // -1: no token
  TextToId whole_words_;                             // filled for ignore_merges
  std::int32_t unknown_id_ = -1;
  bool fuse_unknown_;
};

}  // namespace quiver
