#include "server/chat.h"

#include "protocol/api_error.h"
#include "protocol/request_json.h"
#include "protocol/token_requests.h"
#include "server/generation_job.h"
#include "server/model_choice.h"
#include "server/prompt_input.h"
#include "server/sequence_request.h"

namespace quiver {
namespace {

ChatMessage message_of(const OrderedJson& json) {
  ChatMessage message{.role = json.at("role").get<std::string>()};
  if (const auto content = json.find("content"); content != json.end() && content->is_string())
    message.content = content->get<std::string>();
  OrderedJson others = json;
  for (const char* const own : {"role", "content"}) others.erase(own);
  if (!others.empty()) message.fields = dump_ordered_json(others);
  return message;
}

ChatEnd end_of(ChatEnding ending) {
  switch (ending) {
    case ChatEnding::kNewMessage:
      return ChatEnd::kAssistantTurn;
    case ChatEnding::kContinuesMessage:
      return ChatEnd::kFinalMessage;
    case ChatEnding::kNone:
      return ChatEnd::kNothing;
  }
  return ChatEnd::kNothing;
}

void answer_chat(ServerContext& context, const std::shared_ptr<HttpExchange>& exchange) {
  const ChatCompletionRequest request = ChatCompletionRequest::parse(parse_request(exchange->request().body));
  const GenerationFields& common = request.common;
  const RoutedModel model = choose_model(context, common.model, common.router);
  const std::string name = shown_model(context, common.model);
  exchange->note("model", name);
  const std::vector<std::int32_t> ids = encode_chat(context, request.chat);
  const std::int64_t room = model.base().shape().max_positions - static_cast<std::int64_t>(ids.size());
  const std::int64_t max_tokens = request.max_tokens.value_or(std::max<std::int64_t>(room, 1));
  check_length(model.base(), ids.size(), max_tokens, "messages");
  GenerationPlan plan = new_plan(common, chat_writer(identity_of(model, name, request.logprobs.has_value())));
  plan.adapters = adapters_of(context, common.model, model);
  check_sequences(1, common.n, context.most_sequences);
  for (std::int64_t copy = 0; copy < common.n; ++copy) {
    plan.sequences.push_back(
        {.request = sequence_request(common, model, ids, max_tokens, request.logprobs, copy),
         .counts_prompt = copy == 0});
  }
  start_generation(context, exchange, std::move(plan));
}

HttpResponse apply_template(const ServerContext& context, const HttpRequest& request) {
  const TemplateRequest asked = TemplateRequest::parse(parse_request(request.body));
  return {.body = dump_json({{"prompt", template_of(context).render(chat_input(asked.chat))}})};
}

}  // namespace

ChatRequest chat_input(const ChatFields& fields) {
  ChatRequest chat{.messages = {}, .end = end_of(fields.ending)};
  for (const OrderedJson& message : fields.messages) chat.messages.push_back(message_of(message));
  if (!fields.tools.is_null()) chat.tools = dump_ordered_json(fields.tools);
  if (!fields.template_arguments.empty()) chat.variables = dump_ordered_json(fields.template_arguments);
  return chat;
}

const ChatTemplate& template_of(const ServerContext& context) {
  if (context.chat_template == nullptr)
    throw ApiError(400, "the base has no chat template (start the server with --chat-template)", "messages");
  return *context.chat_template;
}

std::vector<std::int32_t> encode_chat(const ServerContext& context, const ChatFields& fields) {
  try {
    return template_of(context).encode(chat_input(fields));
  } catch (const Error& error) {
    throw ApiError(api_error_of(error).status(), api_error_of(error).what(), "messages");
  }
}

void add_chat_routes(Routes& routes, ServerContext& context) {
  routes.add({"POST", "/v1/chat/completions",
              [&context](const std::shared_ptr<HttpExchange>& exchange) { answer_chat(context, exchange); }});
  routes.add(whole_route("POST", "/apply-template",
                         [&](const HttpRequest& request) { return apply_template(context, request); }));
}

}  // namespace quiver
