#include "protocol/chat_request.h"

#include "core/strings.h"
#include "protocol/api_error.h"

namespace quiver {
namespace {

constexpr std::int64_t kMostLogprobs = 20;

std::string part_text(const OrderedJson& part, const std::string& name) {
  if (!part.is_object() || !part.contains("type") || part["type"] != "text") {
    const OrderedJson type = part.is_object() ? part.value("type", OrderedJson()) : part;
    throw ApiError(400, "'" + name + "' has a part that is no text: " + shown(type), name);
  }
  if (!part.contains("text") || !part["text"].is_string())
    throw ApiError(400, "'" + name + "' has a text part without 'text'", name);
  return part["text"].get<std::string>();
}

// Templates are written for texts: parts are joined by line breaks.
OrderedJson content_text(const OrderedJson& content, const std::string& name) {
  if (content.is_string() || content.is_null()) return content;
  if (!content.is_array())
    throw ApiError(400, "'" + name + "' must be a string or a list of text parts, not " + shown(content),
                   name);
  std::string text;
  for (const OrderedJson& part : content)
    text += (&part == &content.front() ? "" : "\n") + part_text(part, name);
  return text;
}

// OpenAI's clients send a call's arguments as JSON text, templates are written for objects: they get what it
// says, as from vLLM.
void read_arguments(OrderedJson& call, const std::string& name) {
  if (!call.is_object() || !call.contains("function") || !call["function"].is_object()) return;
  OrderedJson& function = call["function"];
  OrderedJson& arguments = function["arguments"];  // appended where it is absent
  if (arguments.is_null() || arguments == "") arguments = OrderedJson::object();
  if (!arguments.is_string()) return;
  try {
    arguments = parse_ordered_json(arguments.get<std::string>(), "'" + name + ".function.arguments'");
  } catch (const Error& error) {
    throw ApiError(400, escape_controls(error.what()), name + ".function.arguments");
  }
}

void read_tool_calls(OrderedJson& message, const std::string& name) {
  if (message["role"] != "assistant" || !message.contains("tool_calls")) return;
  OrderedJson& calls = message["tool_calls"];
  if (calls.is_null()) return;
  if (!calls.is_array()) throw ApiError(400, "'" + name + "' must be a list, not " + shown(calls), name);
  for (std::size_t i = 0; i < calls.size(); ++i)
    read_arguments(calls[i], name + "[" + std::to_string(i) + "]");
  if (calls.empty()) message.erase("tool_calls");  // as if there were none
}

OrderedJson read_messages(RequestFields& fields) {
  const OrderedJson* const value = fields.value("messages");
  if (value == nullptr) throw ApiError(400, "'messages' is missing", "messages");
  if (!value->is_array() || value->empty()) fields.refuse("messages", "a list of at least one message");
  OrderedJson messages = *value;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    OrderedJson& message = messages[i];
    const std::string name = "messages[" + std::to_string(i) + "]";
    if (!message.is_object())
      throw ApiError(400, "'" + name + "' must be an object, not " + shown(message), name);
    if (!message.contains("role") || !message["role"].is_string())
      throw ApiError(400, "'" + name + "' needs a 'role', a string", name + ".role");
    if (message.contains("content"))
      message["content"] = content_text(message["content"], name + ".content");
    else if (!message.contains("tool_calls"))
      throw ApiError(400, "'" + name + "' needs a 'content'", name + ".content");
    read_tool_calls(message, name + ".tool_calls");
  }
  return messages;
}

void refuse_what_is_not_text(RequestFields& fields) {
  if (const OrderedJson* const format = fields.value("response_format")) {
    if (!format->is_object() || format->value("type", OrderedJson()) != "text")
      fields.refuse("response_format", "{\"type\": \"text\"}: no other is supported");
  }
  if (const OrderedJson* const modalities = fields.value("modalities")) {
    if (*modalities != OrderedJson::array({"text"}))
      fields.refuse("modalities", "[\"text\"]: no other is supported");
  }
  if (const OrderedJson* const choice = fields.value("tool_choice")) {
    if (*choice != "auto" && *choice != "none")
      fields.refuse("tool_choice", "\"auto\" or \"none\": a call cannot be forced");
  }
}

}  // namespace

ChatFields read_chat_fields(RequestFields& fields) {
  ChatFields chat{.messages = read_messages(fields)};
  if (const OrderedJson* const tools = fields.value("tools")) {
    if (!tools->is_array()) fields.refuse("tools", "a list");
    if (!tools->empty()) chat.tools = *tools;
  }
  if (const OrderedJson* const arguments = fields.value("chat_template_kwargs")) {
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

ChatCompletionRequest ChatCompletionRequest::parse(const OrderedJson& body) {
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
