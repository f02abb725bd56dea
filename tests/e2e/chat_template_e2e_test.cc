#include "chat/golden_conversations.h"
#include "quiver/base_model.h"

// SmolLM2's own template and tokenizer, out of its GGUF file, against transformers.
namespace quiver {
namespace {

TEST(ChatTemplateSmolLM2, WritesConversationsAsTransformersDoes) {
  const auto base = BaseModel::load(test::smollm2_path());
  const auto chat =
      ChatTemplate::load(test::smollm2_path(), std::shared_ptr<const Tokenizer>(base, &base->tokenizer()));
  test::expect_golden(test::chat_golden(), "smollm2", *chat);
}

}  // namespace
}  // namespace quiver
