#pragma once

#include <variant>

#include "protocol/generation_fields.h"

namespace quiver {

// A text, or the ids that it is run as.
using PromptField = std::variant<std::string, std::vector<std::int32_t>>;

// One prompt or more, at least one: of the field `name`. Throws ApiError 400.
std::vector<PromptField> read_prompts(RequestFields& fields, const std::string& name);

// The body of POST /v1/completions.
struct CompletionRequest {
  GenerationFields common = {};
  std::vector<PromptField> prompts = {};  // one at least
  std::int64_t max_tokens = 16;
  std::optional<std::int64_t> logprobs = {};  // how many likely tokens beside each
  bool echo = false;

  // Throws ApiError 400.
  static CompletionRequest parse(const OrderedJson& body);
};

}  // namespace quiver
