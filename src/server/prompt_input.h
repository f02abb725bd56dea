#pragma once

#include <cstdint>
#include <vector>

#include "protocol/completion_request.h"
#include "quiver/routed_model.h"

namespace quiver {

// How a text becomes a prompt: as `quiver generate` reads it, without its one trailing space, which the
// answer carries; or exactly as it stands, where its own tokens are shown.
enum class PromptReading { kToContinue, kAsItStands };

// The ids that a prompt is run as; ids as they are. Throws ApiError 400 for an id that is no token's.
std::vector<std::int32_t> prompt_input(const RoutedModel& model, const PromptField& prompt,
                                       PromptReading reading);

// The text of a prompt: as it was given, or its ids' with special tokens spelled out.
std::string prompt_text(const RoutedModel& model, const PromptField& prompt);

// Throws ApiError 400 unless all of them are ids of the base's vocabulary.
void check_ids(const BaseModel& base, const std::vector<std::int32_t>& ids, const std::string& param);

// Throws ApiError 400, naming both numbers, where prompt and new tokens are more than the model has
// positions.
void check_length(const BaseModel& base, std::size_t prompt_tokens, std::int64_t new_tokens,
                  const std::string& param);

}  // namespace quiver
