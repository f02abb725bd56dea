#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "modular/prompt_routing.h"
#include "quiver/scoring.h"

namespace quiver {

// A prompt and its completion as tokens: the completion begins at `begin`, at least 1.
struct TokenizedText {
  std::vector<std::int32_t> ids;
  std::size_t begin = 0;
  std::int64_t dropped = 0;                // tokens of a prompt that was too long
  const LinearAdapter* adapter = nullptr;  // of `binding`
  Binding binding = {};
  const ScoreRequest* request = nullptr;
  std::size_t place = 0;  // of the request in its call

  std::size_t run() const { return ids.size() - 1; }  // tokens to run: the last has no successor
};

// How many first tokens texts have in common, short of the one whose successor is scored first. None where a
// text outgrows the cache of the others.
class CommonBeginning {
 public:
  void add(const TokenizedText& text, std::int64_t cache_boundary);
  std::span<const std::int32_t> ids() const { return ids_; }

 private:
  std::span<const std::int32_t> ids_;
  bool is_empty_ = true;  // nothing was added yet
};

// Neighbouring texts [first, last) with one prompt and adapter.
struct TextGroup {
  std::size_t first = 0, last = 0;
  std::size_t begun = 0;   // tokens that Beginnings runs
  std::size_t shared = 0;  // tokens, those included, that are run once for the group
  std::size_t tokens = 0;  // run for the group in all
  std::size_t cached = 0;  // positions that its caches hold meanwhile
};

// A prompt with more completions than the budget holds is cut into several groups. `begun` is still 0.
std::vector<TextGroup> group_by_prompt(std::span<const TokenizedText> texts, std::int64_t token_budget);

// What all texts of an adapter begin with, an instruction or "Question:", run once for all groups. Its cache
// exists from the adapter's first group to its last.
class Beginnings {
 public:
  // Sets begun, and what follows from it, in every group. `records`: whether routing() is wanted.
  Beginnings(const BaseModel& base, std::span<const TokenizedText> texts, std::vector<TextGroup>& groups,
             bool records);

  // Null where there is none. Valid until drop_before is called with a later text.
  const SequenceCache* cache(const std::shared_ptr<const LinearAdapter>& adapter);
  // What was recorded while cache() ran; null where there is none.
  const PromptRouting* routing(const LinearAdapter* adapter) const;

  // Only texts from this one on are still to come.
  void drop_before(std::size_t text);

 private:
  struct Beginning {
    CommonBeginning common;
    std::size_t groups = 0, last = 0;
    std::optional<SequenceCache> cache;
    PromptRouting routing;
  };

  const BaseModel& base_;
  const bool records_;
  std::map<const LinearAdapter*, Beginning> beginnings_;  // those that are worth a step of their own
};

}  // namespace quiver
