#include <gtest/gtest.h>

#include <limits>

#include "quiver/tokenizer.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using Ids = std::vector<std::int32_t>;

// 0 <unk>, 1 <s>, then normal tokens with their scores.
GgufVocabulary llama(const std::vector<std::pair<std::string, double>>& tokens) {
  GgufVocabulary vocabulary{.model = "llama", .tokens = {"<unk>", "<s>"}};
  vocabulary.token_types = {2, 3};
  vocabulary.scores = {0, 0};
  vocabulary.add_space_prefix = false;
  for (const auto& [content, score] : tokens) {
    vocabulary.tokens.push_back(content);
    vocabulary.scores.push_back(score);
    vocabulary.token_types.push_back(content.starts_with("<0x") ? 6 : 1);
  }
  return vocabulary;
}

Ids ids(const GgufVocabulary& vocabulary, const std::string& text) {
  return Tokenizer::from_vocabulary(vocabulary)->encode(text).ids;
}

std::string refusal(const GgufVocabulary& vocabulary) {
  return test::error_message([&] { Tokenizer::from_vocabulary(vocabulary); });
}

TEST(GgufSentencePieceVocabulary, MergesTheHighestScoreFirst) {
  auto vocabulary = llama({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -2}, {"bc", -1}});
  EXPECT_EQ(ids(vocabulary, "abc"), (Ids{2, 6}));
  vocabulary.scores[5] = -0.5;
  EXPECT_EQ(ids(vocabulary, "abc"), (Ids{5, 4}));
  vocabulary.scores[5] = -1;  // equal scores: the leftmost
  EXPECT_EQ(ids(vocabulary, "abc"), (Ids{5, 4}));
}

// One token from two pairs has one rank: "aa" + "a" must not wait for "a" + "aa".
TEST(GgufSentencePieceVocabulary, EveryPairOfOneTokenIsAsGood) {
  const auto vocabulary = llama({{"a", -9}, {"aa", -1}, {"aaa", -2}});
  EXPECT_EQ(ids(vocabulary, "aaaaa"), (Ids{3, 4}));
  EXPECT_EQ(ids(vocabulary, std::string(100, 'a')).size(), 50u);
}

TEST(GgufSentencePieceVocabulary, SpellsUnknownCharacters) {
  auto vocabulary = llama({{"a", -1}, {"\u2581", -2}, {"<0xC3>", 0}, {"<0xA9>", 0}});
  EXPECT_EQ(ids(vocabulary, "a \u00e9xyz"), (Ids{2, 3, 4, 5, 0}));
  const auto tokenizer = Tokenizer::from_vocabulary(vocabulary);
  EXPECT_EQ(tokenizer->encode("a \u00e9").spans, (std::vector<TextSpan>{{0, 1}, {1, 2}, {2, 3}, {3, 4}}));
  EXPECT_EQ(tokenizer->decode(Ids{2, 3, 4, 5}), "a \u00e9");
}

TEST(GgufSentencePieceVocabulary, ASpaceGoesBeforeTheTextAndAfterAddedTokens) {
  auto vocabulary = llama({{"a", -1}, {"\u2581", -2}, {"\u2581a", -3}});
  vocabulary.add_space_prefix = true;
  const auto tokenizer = Tokenizer::from_vocabulary(vocabulary);
  const Encoding encoding = tokenizer->encode("a<s>a a");
  EXPECT_EQ(encoding.ids, (Ids{4, 1, 4, 4}));
  EXPECT_EQ(encoding.spans, (std::vector<TextSpan>{{0, 1}, {1, 4}, {4, 5}, {5, 7}}));
  EXPECT_EQ(tokenizer->encode(" a").spans, (std::vector<TextSpan>{{0, 0}, {0, 2}}));
  EXPECT_EQ(tokenizer->decode(encoding.ids, SpecialTokens::kSkip), "a a a");
  EXPECT_TRUE(tokenizer->encode("").ids.empty());
}

TEST(GgufSentencePieceVocabulary, BytesAndControlTokensTakeNoPartInMerges) {
  auto vocabulary = llama({{"<", -1}, {"s", -1}, {">", -1}, {"<s", -1}, {"<0x41>", 0}, {"A", -1}});
  EXPECT_EQ(ids(vocabulary, "<s<s>"), (Ids{5, 1}));
  EXPECT_EQ(ids(vocabulary, "A"), (Ids{7}));
}

TEST(GgufSentencePieceVocabulary, LongTextsAreNotQuadratic) {
  EXPECT_EQ(ids(llama({{"a", -9}, {"aa", -1}, {"aaaa", -2}}), std::string(1'000'000, 'a')).size(), 250'000u);
}

TEST(GgufSentencePieceVocabulary, RefusesWhatContradictsItself) {
  auto vocabulary = llama({{"a", -1}});
  vocabulary.scores.pop_back();
  EXPECT_EQ(refusal(vocabulary), "GGUF vocabulary: 3 tokens but 2 scores");
  vocabulary = llama({{"a", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_EQ(refusal(vocabulary), "GGUF vocabulary: token 'a' has the score nan");
  vocabulary = llama({{std::string(2000, 'a'), -1}});
  EXPECT_EQ(refusal(vocabulary), "GGUF vocabulary: token 2 has 2000 bytes, more than 1024");
  vocabulary = llama({{"\xFF", -1}, {"a\xFF", -1}, {"a", -1}});  // bytes that are no UTF-8 are just never met
  EXPECT_EQ(ids(vocabulary, "a"), (Ids{4}));
}

}  // namespace
}  // namespace quiver
