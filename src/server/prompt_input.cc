#include "server/prompt_input.h"

#include "protocol/api_error.h"
#include "text/text_beginning.h"

namespace quiver {

void check_ids(const BaseModel& base, const std::vector<std::int32_t>& ids, const std::string& param) {
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= base.shape().vocabulary)
      throw ApiError(400,
                     "'" + param + "' has the token id " + std::to_string(id) + "; the model's are 0 to " +
                         std::to_string(base.shape().vocabulary - 1),
                     param);
  }
}

void check_length(const BaseModel& base, std::size_t prompt_tokens, std::int64_t new_tokens,
                  const std::string& param) {
  const std::int64_t positions = base.shape().max_positions;
  const auto prompt = static_cast<std::int64_t>(prompt_tokens);
  if (prompt <= positions && new_tokens <= positions - prompt) return;
  throw ApiError(400,
                 "the model's context has " + std::to_string(positions) + " tokens; " +
                     std::to_string(prompt) + " of '" + param + "' and " + std::to_string(new_tokens) +
                     " new ones are more",
                 param, "context_length_exceeded");
}

std::vector<std::int32_t> prompt_input(const RoutedModel& model, const PromptField& prompt,
                                       PromptReading reading) {
  if (const auto* const ids = std::get_if<std::vector<std::int32_t>>(&prompt)) {
    check_ids(model.base(), *ids, "prompt");
    return *ids;
  }
  const std::string& text = std::get<std::string>(prompt);
  if (reading == PromptReading::kToContinue) return model.prompt_ids(text);
  const std::span<const std::int32_t> before = model.text_beginning().before(text);
  std::vector<std::int32_t> ids(before.begin(), before.end());
  const std::vector<std::int32_t> own = model.base().tokenizer().encode(text).ids;
  ids.insert(ids.end(), own.begin(), own.end());
  if (ids.empty()) ids.push_back(model.text_beginning().of_empty_text());
  return ids;
}

std::string prompt_text(const RoutedModel& model, const PromptField& prompt) {
  if (const auto* const text = std::get_if<std::string>(&prompt)) return *text;
  return model.base().tokenizer().decode(std::get<std::vector<std::int32_t>>(prompt));
}

}  // namespace quiver
