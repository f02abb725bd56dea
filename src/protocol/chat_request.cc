#include "protocol/chat_request.h"

#include "protocol/api_error.h"

namespace quiver {
namespace {

constexpr std::int64_t kMostLogprobs = 20;

std::string part_text(const Json& part, const std::string& name) {
  if (!part.is_object() || !part.contains("type") || part["type"] != "text") {
    const Json type = part.is_object() ? part.value("type", Json()) : part;
    throw ApiError(400, "'" + name + "' has a part that is no text: " + shown(type), name);
  }
  if (!part.contains("text") || !part["text"].is_string())
    throw ApiError(400, "'" + name + "' has a text part without 'text'", name);
  return part["text"].get<std::string>();
}

// Templates are written for texts: parts are joined by line breaks.
Json content_text(const Json& content, const std::string& name) {
  if (content.is_string() || content.is_null()) return content;
  if (!content.is_array())
    throw ApiError(400, "'" + name + "' must be a string or a list of text parts, not " + shown(content),
                   name);
  std::string text;
  for (const Json& part : content) text += (&part == &content.front() ? "" : "\n") + part_text(part, name);
  return text;
}

Json read_messages(RequestFields& fields) {
  const Json* const value = fields.value("messages");
  if (value == nullptr) throw ApiError(400, "'messages' is missing", "messages");
  if (!value->is_array() || value->empty()) fields.refuse("messages", "a list of at least one message");
  Json messages = *value;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    Json& message = messages[i];
    const std::string name = "messages[" + std::to_string(i) + "]";
    if (!message.is_object())
      throw ApiError(400, "'" + name + "' must be an object, not " + shown(message), name);
    if (!message.contains("role") || !message["role"].is_string())
      throw ApiError(400, "'" + name + "' needs a 'role', a string", name + ".role");
    if (message.contains("content"))
      message["content"] = content_text(message["content"], name + ".content");
    else if (!message.contains("tool_calls"))
      throw ApiError(400, "'" + name + "' needs a 'content'", name + ".content");
  }
  return messages;
}

void refuse_what_is_not_text(RequestFields& fields) {
  if (const Json* const format = fields.value("response_format")) {
    if (!format->is_object() || format->value("type", Json()) != "text")
      fields.refuse("response_format", "{\"type\": \"text\"}: no other is supported");
  }
  if (const Json* const modalities = fields.value("modalities")) {
    if (*modalities != Json::array({"text"}))
      fields.refuse("modalities", "[\"text\"]: no other is supported");
  }
  if (const Json* const choice = fields.value("tool_choice")) {
    if (*choice != "auto" && *choice != "none")
      fields.refuse("tool_choice", "\"auto\" or \"none\": a call cannot be forced");
  }
}

}  // namespace

ChatFields read_chat_fields(RequestFields& fields) {
  ChatFields chat{.messages = read_messages(fields)};
  if (const Json* const tools = fields.value("tools")) {
    if (!tools->is_array()) fields.refuse("tools", "a list");
    if (!tools->empty()) chat.tools = *tools;
  }
  if (const Json* const arguments = fields.value("chat_template_kwargs")) {
    if (!arguments->is_object()) fields.refuse("chat_template_kwargs", "an object");
    chat.template_arguments = *arguments;
  }
  const std::optional<bool> generation_prompt = fields.flag("add_generation_prompt");
  const bool continues = fields.flag("continue_final_message").value_or(false);
  if (continues && generation_prompt.value_or(false))
    throw ApiError(400, "'continue_final_message' and 'add_generation_prompt' exclude each other",
                   "continue_final_message");
  chat.ending = continues                          ? ChatEnding::kContinuesMessage
                : generation_prompt.value_or(true) ? ChatEnding::kNewMessage
                                                   : ChatEnding::kNone;
  return chat;
}

ChatCompletionRequest ChatCompletionRequest::parse(const Json& body) {
  RequestFields fields(body);
  ChatCompletionRequest request{.common = read_generation_fields(fields), .chat = read_chat_fields(fields)};
  const std::optional<std::int64_t> older = fields.whole("max_tokens", 1);
  request.max_tokens = fields.whole("max_completion_tokens", 1);
  if (!request.max_tokens) request.max_tokens = older;
  const bool has_logprobs = fields.flag("logprobs").value_or(false);
  const std::optional<std::int64_t> top = fields.whole("top_logprobs", 0, kMostLogprobs);
  if (top && !has_logprobs) throw ApiError(400, "'top_logprobs' needs 'logprobs': true", "top_logprobs");
  if (has_logprobs) request.logprobs = top.value_or(0);
  refuse_what_is_not_text(fields);
  fields.ignore({"parallel_tool_calls", "reasoning_effort", "verbosity"});
  fields.finish();
  return request;
}

}  // namespace quiver
