#pragma once

#include <optional>
#include <vector>

#include "protocol/generation_fields.h"
#include "quiver/decoding.h"

namespace quiver {

// What a request's fields make of a prompt, as its answer number `copy`, from 0 on: one seed gives each
// answer another draw. Throws ApiError 400 for ids outside the vocabulary, and for a task that the model does
// not know.
SequenceRequest sequence_request(const GenerationFields& fields, const RoutedModel& model,
                                 std::vector<std::int32_t> prompt, std::int64_t max_new_tokens,
                                 std::optional<std::int64_t> top_logprobs, std::int64_t copy);

// Throws ApiError 400 where `copies` answers to each of some prompts are more than `most`, before anything is
// made of them.
void check_sequences(std::size_t prompts, std::int64_t copies, std::int64_t most);

}  // namespace quiver
