#pragma once

#include "core/ordered_json.h"
#include "quiver/chat_template.h"
#include "support/test_support.h"

namespace quiver::test {

inline OrderedJson chat_golden() {
  return OrderedJson::parse(read_file(golden_path("chat_templates.json"), 1 << 20));
}

// tiny_llama's tokenizer with a tokenizer_config.json of this content.
inline std::shared_ptr<const Tokenizer> golden_tokenizer(const OrderedJson& config) {
  const ScratchDirectory folder;
  write_file_atomic(folder / "tokenizer.json", read_file(golden_path("tiny_llama/tokenizer.json"), 1 << 20));
  write_file_atomic(folder / "tokenizer_config.json", config.dump());
  return Tokenizer::from_file(folder / "tokenizer.json");
}

// A conversation of the golden file as a request: what apply_chat_template was given.
inline ChatRequest golden_request(const OrderedJson& conversation) {
  ChatRequest request;
  for (const OrderedJson& given : conversation.at("messages")) {
    ChatMessage message{.role = given.at("role").get<std::string>()};
    OrderedJson fields = OrderedJson::object();
    for (const auto& [key, value] : given.items()) {
      if (key == "content")
        message.content = value.get<std::string>();
      else if (key != "role")
        fields[key] = value;
    }
    if (!fields.empty()) message.fields = fields.dump();
    request.messages.push_back(std::move(message));
  }
  OrderedJson variables = conversation.at("options");
  if (variables.contains("tools")) request.tools = variables.at("tools").dump();
  if (!variables.value("add_generation_prompt", true)) request.end = ChatEnd::kNothing;
  if (variables.value("continue_final_message", false)) request.end = ChatEnd::kFinalMessage;
  for (const char* option : {"tools", "add_generation_prompt", "continue_final_message"})
    variables.erase(option);
  if (!variables.empty()) request.variables = variables.dump();
  std::tm now{};
  now.tm_year = 131, now.tm_mon = 1, now.tm_mday = 3, now.tm_hour = 4, now.tm_min = 5, now.tm_sec = 6;
  now.tm_isdst = -1;
  request.now = std::mktime(&now);  // 2031-02-03 04:05:06 local time, the file's "now"
  return request;
}

// Every conversation that has a result with the template `name`: text, ids and errors are those of
// transformers.
inline void expect_golden(const OrderedJson& golden, const std::string& name, const ChatTemplate& chat) {
  ASSERT_GE(golden.at("results").at(name).size(), 20u);
  for (const auto& [conversation, wanted] : golden.at("results").at(name).items()) {
    SCOPED_TRACE(name + ", " + conversation);
    const ChatRequest request = golden_request(golden.at("conversations").at(conversation));
    if (wanted.contains("error")) {
      const std::string message =
          "the model's chat template refuses the conversation: " + wanted.at("error").get<std::string>();
      EXPECT_EQ(error_message([&] { chat.render(request); }), message);
      EXPECT_EQ(error_message([&] { chat.encode(request); }), message);
      continue;
    }
    EXPECT_EQ(chat.render(request), wanted.at("text").get<std::string>());
    EXPECT_EQ(chat.encode(request), wanted.at("ids").get<std::vector<std::int32_t>>());
  }
}

}  // namespace quiver::test
