#include "golden_conversations.h"

// Templates of the project's own, against transformers.
namespace quiver {
namespace {

TEST(ChatTemplateGolden, WritesConversationsAsTransformersDoes) {
  const OrderedJson golden = test::chat_golden();
  for (const auto& [name, source] : golden.at("templates").items()) {
    const test::ScratchDirectory folder;
    write_file_atomic(folder / "chat_template.jinja", source.get<std::string>());
    const auto chat = ChatTemplate::load(folder.path(), test::golden_tokenizer(golden.at("config")));
    test::expect_golden(golden, name, *chat);
  }
}

}  // namespace
}  // namespace quiver
