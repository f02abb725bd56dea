#include <gtest/gtest.h>

#include "reference_folder.h"

// Values from Hugging Face `tokenizers` and SentencePiece; see tests/golden/make_tokenizer_kinds.py.
namespace quiver {
namespace {

class TokenizerKinds : public testing::TestWithParam<std::string> {};

TEST_P(TokenizerKinds, GivesTheIdsSpansAndTextsOfTheReference) {
  const test::ReferenceFolder reference(test::golden_path("tokenizer_kinds"));
  const test::Comparison result = reference.compare(GetParam());
  EXPECT_EQ(result.texts, reference.size());
  EXPECT_GT(result.texts - result.unread, 140u);
  EXPECT_GT(result.tokens, 2000u);
  EXPECT_EQ(result.different_ids, std::vector<std::string>());
  EXPECT_EQ(result.different_texts, std::vector<std::string>());
  if (!test::ReferenceFolder::shifts_spans(GetParam())) {
    EXPECT_EQ(result.different_spans, std::vector<std::string>());
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TokenizerKinds,
    testing::Values("gpt-2", "phi-2", "smollm", "llama-bpe", "qwen2", "byte_level_prefix", "llama2_legacy",
                    "llama2_first", "mistral_always", "metaspace_split", "metaspace_first_split",
                    "metaspace_never", "phi3", "gemma", "unknown_fused", "unknown_single", "whole_words",
                    "t5", "t5_metaspace", "unigram_bytes", "unigram_stripped", "gguf_gpt-2", "gguf_phi-2",
                    "gguf_smollm", "gguf_llama-bpe", "gguf_qwen2", "gguf_llama", "gguf_gemma",
                    "gguf_llama_sentencepiece", "gguf_gemma_sentencepiece", "gguf_user_defined"),
    [](const auto& kind) {
      std::string name = kind.param;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

}  // namespace
}  // namespace quiver
