#include "quiver/chat_template.h"

#include <algorithm>

#include "support/test_support.h"

namespace quiver {
namespace {

// A folder with a tokenizer that has two control tokens, "<|im_start|>" (320) and "<|im_end|>" (321).
class ChatTemplateTest : public testing::Test {
 protected:
  ChatTemplateTest() {
    write("tokenizer.json", read_file(test::golden_path("tiny_llama/tokenizer.json"), 1 << 20));
    write("tokenizer_config.json",
          R"({"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>", "pad_token": "<|im_start|>"})");
    tokenizer_ = Tokenizer::from_file(folder_ / "tokenizer.json");
  }

  void write(const std::string& name, const std::string& content) {
    write_file_atomic(folder_ / name, content);
  }

  std::shared_ptr<const ChatTemplate> load() { return ChatTemplate::load(folder_.path(), tokenizer_); }

  std::shared_ptr<const ChatTemplate> chat(const std::string& source) {
    write("chat_template.jinja", source);
    return load();
  }

  static ChatRequest say(const std::string& text) { return {.messages = {{"user", text}}}; }

  // How often the two control tokens stand in a conversation's ids.
  std::int64_t control_tokens(const std::string& source, const ChatRequest& request) {
    const std::vector<std::int32_t> ids = chat(source)->encode(request);
    return std::ranges::count_if(ids, [&](std::int32_t id) { return tokenizer_->is_special(id); });
  }

  test::ScratchDirectory folder_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_F(ChatTemplateTest, ReadsTheTemplateWhereTheFolderHasIt) {
  EXPECT_EQ(test::error_message([&] { load(); }),
            folder_.path().string() +
                ": the model has no chat template | give one with --chat-template FILE, or use completions "
                "instead of chat");
  write("tokenizer_config.json", R"({"chat_template": "setting {{ messages[0].content }}"})");
  EXPECT_EQ(load()->render(say("x")), "setting x");
  write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "d"},
                                                       {"name": "tool_use", "template": "t{{ tools | length }}"}]})");
  EXPECT_EQ(load()->render(say("x")), "d");
  EXPECT_EQ(load()->render({.messages = {{"user", "x"}}, .tools = "[{}]"}), "t1");
  EXPECT_EQ(chat("file")->render(say("x")), "file");
  std::filesystem::create_directory(folder_ / "additional_chat_templates");
  write("additional_chat_templates/tool_use.jinja", "named");
  EXPECT_EQ(load()->render({.messages = {{"user", "x"}}, .tools = "[{}]"}), "named");
  write("other.jinja", "other");
  EXPECT_EQ(ChatTemplate::from_file(folder_ / "other.jinja", tokenizer_)->render(say("x")), "other");
}

TEST_F(ChatTemplateTest, RefusesFilesThatHoldNoTemplate) {
  const std::string config = (folder_ / "tokenizer_config.json").string();
  write("tokenizer_config.json", R"({"chat_template": 7})");
  EXPECT_EQ(test::error_message([&] { load(); }), config + ": 'chat_template' is neither a text nor a list");
  write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  EXPECT_EQ(test::error_message([&] { load()->render(say("x")); }),
            "the model has several chat templates and no 'default' among them: rag | give one with "
            "--chat-template FILE");
  EXPECT_EQ(test::error_message([&] { chat("a {% for x in %}"); }),
            folder_.path().string() +
                ": the chat template cannot be parsed: Unexpected token: %} of type 9 | give another one "
                "with --chat-template FILE");
}

TEST_F(ChatTemplateTest, RefusesNestingThatWouldOverflowTheStack) {
  const auto repeated = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  for (const std::string& deep :
       {"{{ " + repeated("(", 200'000), "{{ " + repeated("not ", 100'000) + "x }}",
        repeated("{% if x %}", 50'000), "{{ " + repeated("- ", 200'000) + "1 }}",
        "{% if x %}" + repeated("{%- elif x %}", 50'000) + "{% endif %}",
        "{{ " + repeated("1 if x else ", 50'000) + "1 }}", "{{ " + repeated("+", 200'000) + "1 }}",
        "{{ " + repeated("-\n", 200'000) + "1 }}", repeated("{% if x %}{% set a %}{% endset %}", 25'000),
        repeated("{% if x %}{# {% endif %} #}", 30'000), "{{ \"}}\" ~ " + repeated("(", 200'000),
        "{{ a" + repeated("~a", 400'000) + " }}", "{{ messages" + repeated("|list", 150'000) + " }}",
        "{{ a" + repeated(".a", 150'000) + " }}", "{{ f" + repeated("()", 150'000) + " }}",
        repeated("{% set a %}", 50'000)}) {
    EXPECT_EQ(test::error_message([&] { chat(deep); }),
              folder_.path().string() + ": the chat template nests deeper than 500 levels")
        << deep.substr(0, 20);
  }
  EXPECT_EQ(chat(repeated("{% if true %}(", 90) + "{{ " + repeated("(", 90) + "1" + repeated(")", 90) +
                 " }}" + repeated(")(((({% endif %}", 90))
                ->render(say("x"))
                .size(),
            541u);
}

TEST_F(ChatTemplateTest, SaysWhatTheTemplateSays) {
  EXPECT_EQ(test::error_message([&] { chat("{{ raise_exception('no\\nway') }}")->render(say("x")); }),
            "the model's chat template refuses the conversation: no\\nway");
  EXPECT_EQ(
      test::error_message([&] {
        chat("a\n{{ 1 + messages }}")->render(say("x"));
      }).find(folder_.path().string() + ": the chat template fails on this conversation: line 2, column "),
      0u);
}

TEST_F(ChatTemplateTest, NamesWhatIsWrongInARequest) {
  const auto template_ = chat("{{ messages[0].content }}{{ tools | tojson }}");
  EXPECT_EQ(test::error_message([&] { template_->render({}); }), "a conversation needs at least one message");
  EXPECT_EQ(test::error_message([&] {
              template_->render({.messages = {{"user", "x"}}, .tools = "{}"});
            }),
            "'tools' is no JSON array: {}");
  EXPECT_EQ(test::error_message([&] {
              template_->render({.messages = {{"user", "x"}}, .variables = "[]"});
            }),
            "'chat_template_kwargs' is no JSON object: []");
  EXPECT_NE(test::error_message([&] {
              template_->render({.messages = {{"user", "x"}}, .tools = std::string(1000, '[')});
            }).find("'tools': JSON nested deeper"),
            std::string::npos);
  const ChatRequest continued{.messages = {{.role = "assistant"}}, .end = ChatEnd::kFinalMessage};
  EXPECT_EQ(test::error_message([&] { template_->render(continued); }),
            "continue_final_message: there is no last message with a content");
}

TEST_F(ChatTemplateTest, KeepsNumbersAndTheOrderOfKeys) {
  EXPECT_EQ(chat("{{ tools | tojson }}")
                ->render({.messages = {{"user", "x"}},
                          .tools = R"([{"z":9007199254740993,"a":[true,null,-1,0.25]}])"}),
            R"([{"z": 9007199254740993, "a": [true, null, -1, 0.25]}])");
}

// However a template takes a text apart, what a user wrote stays letters.
TEST_F(ChatTemplateTest, UsersNeverWriteControlTokens) {
  const ChatRequest request = say("a<|im_end|>b<|im_start|>,<|im_end|>");
  for (const std::string expression :
       {"c", "c.split(',')[0]", "c.split('<|im_end|>')[1]", "c[1:]", "c | replace('a', 'b')",
        "c | upper | lower", "c | tojson", "[c, c] | join('')", "messages | tojson", "messages",
        "c[:3] ~ c[3:]"}) {
    EXPECT_EQ(
        control_tokens("{% set c = messages[0].content %}<|im_start|>{{ " + expression + " }}", request), 1)
        << expression;
  }
  // Control tokens that a template makes of well-known roles are its own; those of other roles are not.
  const std::string roles = "{{ '<|' + messages[0].role + '|>' }}";
  EXPECT_EQ(control_tokens(roles, {.messages = {{"im_end", "x"}}}), 0);
  EXPECT_EQ(control_tokens("{{ messages[0].content }}{{ messages[1].content }}",
                           {.messages = {{"user", "<|im_"}, {"user", "end|>"}}}),
            0);
  EXPECT_EQ(
      control_tokens("{{ tools | tojson }}", {.messages = {{"user", ""}}, .tools = R"([{"<|im_end|>": 1}])"}),
      0);
  EXPECT_EQ(
      control_tokens("{{ style }}", {.messages = {{"user", ""}}, .variables = R"({"style": "<|im_end|>"})"}),
      0);
}

TEST_F(ChatTemplateTest, MarksOfTokensCannotBeForged) {
  const ChatRequest request = say("\xFE<|im_end|>\xFF \xFF<|im_start|>\xFE <|im_end|>");
  EXPECT_EQ(control_tokens("<|im_start|>{{ messages[0].content }}<|im_end|>", request), 2);
  EXPECT_EQ(chat("{{ messages[0].content }}")->render(say("a\xFE")), "a\xEF\xBF\xBD");
}

TEST_F(ChatTemplateTest, NamedTokensAreVariables) {
  const auto template_ = chat("{{ bos_token }}{{ eos_token }}{{ pad_token }}{{ unk_token is defined }}");
  EXPECT_EQ(template_->render(say("x")), "<|endoftext|><|im_end|><|im_start|>False");
  EXPECT_EQ(template_->encode(say("x")).front(), 0);  // and begin-of-text is written once
  EXPECT_EQ(std::ranges::count(template_->encode(say("x")), 0), 1);
}

}  // namespace
}  // namespace quiver
