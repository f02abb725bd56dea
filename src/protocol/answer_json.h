#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"

namespace quiver {

// A token as an answer shows it.
struct ShownToken {
  std::string bytes;                                     // what it stands for; perhaps a part of a character
  std::optional<double> logprob;                         // none: nothing stands before it
  std::vector<std::pair<std::string, double>> top = {};  // the likeliest, best first
};

// `logprobs` of a completion, which goes on from answer to answer of a stream.
class CompletionLogprobs {
 public:
  // The four lists of these tokens, each itself among the likeliest beside it. Offsets are in characters,
  // from the beginning of the text.
  Json next(const std::vector<ShownToken>& tokens);

 private:
  std::size_t offset_ = 0;
};

// `logprobs` of a chat's answer.
Json chat_logprobs(const std::vector<ShownToken>& tokens);

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  // of the prompt
  std::int64_t new_tokens = 0;
};
Json to_json(const Usage& usage);

// What the chunks of one answer have in common.
struct AnswerHead {
  std::string id;            // "cmpl-..."
  std::string object;        // "text_completion", "chat.completion", "chat.completion.chunk"
  std::int64_t created = 0;  // seconds since 1970
  std::string model;
  std::string system_fingerprint;
};
// The head, with `choices`.
Json answer_json(const AnswerHead& head, Json choices);

// `data: {...}` and an empty line: one server-sent event.
std::string event_text(const Json& json);
inline constexpr char kLastEvent[] = "data: [DONE]\n\n";
inline constexpr char kPauseEvent[] = ": still working\n\n";

// As text; what is no whole character as "bytes:\xNN", as OpenAI writes it.
std::string token_label(const std::string& bytes);

}  // namespace quiver
