#include "golden_conversations.h"

// Templates of the project's own, against transformers.
namespace quiver {
namespace {

TEST(ChatTemplateGolden, WritesConversationsAsTransformersDoes) {
  const test::OrderedJson golden = test::chat_golden();
  for (const auto& [name, source] : golden.at("templates").items()) {
    const test::ScratchDirectory folder;
    write_file_atomic(folder / "tokenizer.json",
                      read_file(test::golden_path("tiny_llama/tokenizer.json"), 1 << 20));
    write_file_atomic(folder / "tokenizer_config.json", golden.at("config").dump());
    write_file_atomic(folder / "chat_template.jinja", source.get<std::string>());
    const auto chat = ChatTemplate::load(folder.path(), Tokenizer::from_file(folder / "tokenizer.json"));
    test::expect_golden(golden, name, *chat);
  }
}

}  // namespace
}  // namespace quiver
