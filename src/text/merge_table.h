#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/token_model.h"
#include "text/vocabulary.h"

namespace quiver {

// The two token texts that a merge rule joins.
struct MergeRule {
  std::string left;
  std::string right;
};

// Parses "left right". Throws Error(kCorruptFile) naming `where` and the line.
MergeRule parse_merge(const std::string& line, const std::string& where);

// The merges of byte pair encoding (Sennrich et al. 2016): the adjacent pair of tokens with the best rank,
// leftmost first, is joined until no merge applies. Immutable once built, and then thread-safe.
class MergeTable {
 public:
  // Of the rules, best first; of two for one pair the later counts. Throws Error(kCorruptFile) naming `where`
  // if a rule names or makes a token that the vocabulary lacks.
  static MergeTable from_rules(const std::vector<MergeRule>& rules, const Vocabulary& vocabulary,
                               const std::string& where);

  // A merge of `left` and `right` into `result`, which must stand for both texts joined. Lower ranks are
  // better; several pairs may share one.
  void add(std::int32_t left, std::int32_t right, std::uint32_t rank, std::int32_t result);

  // Joins neighbours in `symbols`. Time is O(n log n).
  void apply(std::vector<WordToken>& symbols) const;

 private:
  struct Merge {
    std::uint32_t rank;
    std::int32_t result;
  };
  const Merge* find(std::int32_t left, std::int32_t right) const;
  void apply_short(std::vector<WordToken>& symbols) const;
  void apply_long(std::vector<WordToken>& symbols) const;

  std::unordered_map<std::uint64_t, Merge> merges_;  // by left id << 32 | right id
};

}  // namespace quiver
