#include "golden_conversations.h"
#include "model/weight_source.h"

// SmolLM2's own template and tokenizer, out of its GGUF file, against transformers.
namespace quiver {
namespace {

TEST(ChatTemplateSmolLM2, WritesConversationsAsTransformersDoes) {
  const std::shared_ptr<const Tokenizer> tokenizer = open_weight_source(test::smollm2_path())->tokenizer();
  test::expect_golden(test::chat_golden(), "smollm2", *ChatTemplate::load(test::smollm2_path(), tokenizer));
}

}  // namespace
}  // namespace quiver
