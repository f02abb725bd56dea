// Bodies of requests, against transformers: what clients send in some order of names is written in that
// order.

#include "chat/golden_conversations.h"
#include "protocol/request_json.h"
#include "protocol/token_requests.h"
#include "server/chat.h"

namespace quiver {
namespace {

// A golden conversation as a client sends it: OpenAI's have the arguments of calls as text.
enum class Arguments { kObject, kText };
std::string body_of(const OrderedJson& conversation, Arguments arguments) {
  OrderedJson body = {{"messages", conversation.at("messages")}};
  for (const auto& [name, value] : conversation.at("options").items()) {
    const bool is_field =
        name == "tools" || name == "add_generation_prompt" || name == "continue_final_message";
    (is_field ? body[name] : body["chat_template_kwargs"][name]) = value;
  }
  for (OrderedJson& message : body["messages"]) {
    if (arguments == Arguments::kObject || !message.contains("tool_calls")) continue;
    for (OrderedJson& call : message["tool_calls"]) {
      OrderedJson& given = call["function"]["arguments"];
      given = given.dump();
    }
  }
  return body.dump();
}

TEST(ChatGolden, BodiesAreWrittenAsTransformersDoes) {
  const OrderedJson golden = test::chat_golden();
  int compared = 0;
  for (const auto& [name, source] : golden.at("templates").items()) {
    const test::ScratchDirectory folder;
    write_file_atomic(folder / "chat_template.jinja", source.get<std::string>());
    const auto chat = ChatTemplate::load(folder.path(), test::golden_tokenizer(golden.at("config")));
    for (const auto& [title, wanted] : golden.at("results").at(name).items()) {
      if (!wanted.contains("text")) continue;
      const OrderedJson& conversation = golden.at("conversations").at(title);
      for (const Arguments arguments : {Arguments::kObject, Arguments::kText}) {
        const std::string body = body_of(conversation, arguments);
        ChatRequest request = chat_input(TemplateRequest::parse(parse_request(body)).chat);
        request.now = test::golden_request(conversation).now;
        EXPECT_EQ(chat->render(request), wanted.at("text").get<std::string>()) << body;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 100);
}

}  // namespace
}  // namespace quiver
