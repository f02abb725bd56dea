// POST /v1/chat/completions, /apply-template, and /tokenize with messages.

#include "quiver/chat_template.h"
#include "quiver/generation.h"
#include "server/server_fixture.h"

namespace quiver {
namespace {

constexpr char kTemplate[] =
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}";

std::shared_ptr<const ChatTemplate> chat_template() {
  const test::ScratchDirectory scratch;
  write_file_atomic(scratch / "chat.jinja", kTemplate);
  const auto base = test::golden_base("tiny_llama");
  return ChatTemplate::from_file(scratch / "chat.jinja", {base, &base->tokenizer()});
}

const Json kMessages = {{{"role", "user"}, {"content", "The sea"}}};
const std::string kRendered = "user: The sea\nassistant:";

TEST(Chat, ContinuesTheRenderedMessages) {
  const test::RunningServer server({}, chat_template());
  for (const std::string name : {"base", "arrow"}) {
    const GenerationRequest request{server.library().compose(name), kRendered};
    const std::string expected =
        test::shown_text(generate({&request, 1}, {.max_new_tokens = 12}).front().text);
    Json body = {{"model", name}, {"messages", kMessages}, {"max_tokens", 12}, {"temperature", 0}};
    const Json answer = server.answer("/v1/chat/completions", body);
    EXPECT_EQ(answer.at("object"), "chat.completion");
    EXPECT_EQ(answer.at("choices").at(0).at("message").at("content"), expected);
    EXPECT_EQ(answer.at("choices").at(0).at("message").at("role"), "assistant");
    body["stream"] = true;
    std::string text;
    const std::vector<Json> events = test::events_of(server.post("/v1/chat/completions", body));
    ASSERT_GE(events.size(), 3u);
    EXPECT_EQ(events[0].at("object"), "chat.completion.chunk");
    EXPECT_EQ(events[0].at("choices").at(0).at("delta").at("role"), "assistant");
    for (const Json& event : events) text += event.at("choices").at(0).at("delta").value("content", "");
    EXPECT_EQ(text, expected);
    EXPECT_EQ(events.back().at("choices").at(0).at("finish_reason"), "length");
  }
}

TEST(Chat, GoesOnAsLongAsThereIsRoom) {
  const test::RunningServer server({}, chat_template());
  const Json answer =
      server.answer("/v1/chat/completions",
                    {{"messages", kMessages}, {"ignore_eos", true}, {"logprobs", true}, {"top_logprobs", 2}});
  EXPECT_EQ(answer.at("usage").at("total_tokens"), 128);
  const Json& tokens = answer.at("choices").at(0).at("logprobs").at("content");
  EXPECT_EQ(tokens.size(), answer.at("usage").at("completion_tokens"));
  EXPECT_EQ(tokens.at(0).at("top_logprobs").size(), 2u);
}

TEST(Chat, ShowsWhatATemplateWrites) {
  const test::RunningServer server({}, chat_template());
  EXPECT_EQ(server.answer("/apply-template", {{"messages", kMessages}}).at("prompt"), kRendered);
  const Json tokens = server.answer("/tokenize", {{"messages", kMessages}}).at("tokens");
  EXPECT_EQ(tokens, Json(test::golden_base("tiny_llama")->tokenizer().encode(kRendered).ids));
}

TEST(Chat, NeedsATemplate) {
  const test::RunningServer server;
  EXPECT_EQ(server.refusal("/v1/chat/completions", {{"messages", kMessages}}),
            "400 messages: the base has no chat template (start the server with --chat-template)");
}

}  // namespace
}  // namespace quiver
