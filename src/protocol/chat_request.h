#pragma once

#include "protocol/generation_fields.h"

namespace quiver {

// How a rendered chat ends: with the beginning of the assistant's next message, with its last message left
// open
// (`continue_final_message`), or with that message (`add_generation_prompt` false).
enum class ChatEnding { kNewMessage, kContinuesMessage, kNone };

// What a chat template gets.
struct ChatFields {
  OrderedJson messages = OrderedJson::array();  // objects with `role` and, joined to one text, `content`
  OrderedJson tools = OrderedJson();            // a list, or null
  OrderedJson template_arguments = OrderedJson::object();  // `chat_template_kwargs`
  ChatEnding ending = ChatEnding::kNewMessage;
};

// Reads them. Throws ApiError 400.
ChatFields read_chat_fields(RequestFields& fields);

// The body of POST /v1/chat/completions.
struct ChatCompletionRequest {
  GenerationFields common = {};
  ChatFields chat = {};
  std::optional<std::int64_t> max_tokens = {};  // none: as many as the model has room for
  std::optional<std::int64_t> logprobs = {};    // `logprobs` with `top_logprobs` beside each

  // Throws ApiError 400.
  static ChatCompletionRequest parse(const OrderedJson& body);
};

}  // namespace quiver
