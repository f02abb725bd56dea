#include <gtest/gtest.h>

#include "quiver/tokenizer.h"
#include "support/test_support.h"

namespace quiver {
namespace {

GgufVocabulary small() {
  return {.tokens = {"a", "b", "ab", "<s>", "bb"}, .token_types = {1, 1, 1, 3, 4}, .merges = {"a b"}};
}

std::string refusal(const GgufVocabulary& vocabulary) {
  return test::error_message([&] { Tokenizer::from_vocabulary(vocabulary); });
}

TEST(GgufVocabulary, ControlAndUserDefinedTokensAreCutOut) {
  const auto tokenizer = Tokenizer::from_vocabulary(small());
  const Encoding encoding = tokenizer->encode("ab<s>abb");
  EXPECT_EQ(encoding.ids, (std::vector<std::int32_t>{2, 3, 0, 4}));
  EXPECT_EQ(tokenizer->decode(encoding.ids, SpecialTokens::kSkip), "ababb");
}

TEST(GgufVocabulary, LlamaTakesWholeWordsWithoutMerges) {
  GgufVocabulary vocabulary = small();
  vocabulary.merges.clear();
  EXPECT_EQ(Tokenizer::from_vocabulary(vocabulary)->encode("ab").ids, (std::vector<std::int32_t>{0, 1}));
  vocabulary.pre = "llama-bpe";
  EXPECT_EQ(Tokenizer::from_vocabulary(vocabulary)->encode("ab").ids, (std::vector<std::int32_t>{2}));
}

TEST(GgufVocabulary, RefusesWhatContradictsItself) {
  GgufVocabulary vocabulary = small();
  vocabulary.pre = "deepseek-llm";
  EXPECT_EQ(refusal(vocabulary),
            "GGUF vocabulary: pre-tokenizer 'deepseek-llm' is not supported | known: gpt-2, phi-2, smollm, "
            "llama-bpe, qwen2");
  vocabulary = small();
  vocabulary.token_types.pop_back();
  EXPECT_EQ(refusal(vocabulary), "GGUF vocabulary: 5 tokens but 4 token types");
  vocabulary = small();
  vocabulary.tokens[1] = "a";
  EXPECT_EQ(refusal(vocabulary), "GGUF vocabulary: token 'a' has id 1, but had 0 before");
  vocabulary = small();
  vocabulary.merges = {"b a"};
  EXPECT_EQ(refusal(vocabulary),
            "GGUF vocabulary: merge 'b a' needs token 'ba', which is not in the vocabulary");
  vocabulary.merges = {"ab"};
  EXPECT_EQ(refusal(vocabulary), "GGUF vocabulary: merge 'ab' is not two tokens");
  EXPECT_EQ(refusal({}), "GGUF vocabulary: holds no tokens");
  EXPECT_EQ(refusal({.model = "bert", .tokens = {"a"}}),
            "GGUF tokenizer model 'bert' is not supported | known: gpt2, llama");
}

}  // namespace
}  // namespace quiver
