#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "quiver/generation.h"
#include "quiver/scoring.h"

namespace quiver {

// A prompt and what follows it as ids: [0, begin) and [begin, end). The one way from text to what a model
// runs.
struct TextIds {
  std::vector<std::int32_t> ids;
  std::size_t begin = 0;
  std::int64_t dropped = 0;  // tokens of the prompt that fit() cut away
};

// A prompt to continue: its prompt_tokens(). `begin` is the end.
TextIds prompt_ids(const RoutedModel& model, std::string_view prompt);

// Tokenized jointly: a token belongs to the completion when it ends after the prompt does. `begin` is at
// least 1. Throws Error(kInvalidArgument) for an empty completion.
TextIds completion_ids(const RoutedModel& model, std::string_view prompt, std::string_view completion);

// The tokens `ids` of `text`, of which those from `begin` on are scored, as a model runs them: with
// begin-of-text, and with one token at least in front of `begin`. For a text without a prompt that is
// begin-of-text, or end-of-text where the tokenizer has none; where the text spells it out, that.
TextIds begun_ids(const RoutedModel& model, std::string_view text, std::vector<std::int32_t> ids,
                  std::size_t begin);

// Cuts the prompt so that at most `limit` ids are left. Throws Error(kInvalidArgument) for
// Truncation::kError, and where what follows the prompt and one token before it do not fit.
TextIds fit(TextIds text, std::int64_t limit, Truncation truncation);

// One line on stderr that counts the texts that were cut, where some were.
void warn_of_cut_texts(std::span<const Score> scores, Truncation truncation);
void warn_of_cut_texts(std::span<const Generation> generations, Truncation truncation);

}  // namespace quiver
