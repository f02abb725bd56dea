#include "text/unigram_model.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

// Token 0 is the unknown token.
UnigramModel model(const std::vector<std::pair<std::string, double>>& tokens, bool byte_fallback = false) {
  Vocabulary vocabulary;
  UnigramModel::Options options{.scores = {}, .unknown_id = 0, .byte_fallback = byte_fallback};
  for (const auto& [content, score] : tokens) {
    vocabulary.add(content, vocabulary.size(), "test");
    options.scores.push_back(score);
  }
  return UnigramModel(vocabulary, options);
}

// "id[begin,end) " of each token.
std::string encoded(const UnigramModel& model, std::string_view word) {
  std::vector<WordToken> tokens = {{99, 0, 0}};
  model.encode(word, tokens);
  std::string result;
  for (const WordToken& token : tokens) {
    result +=
        std::to_string(token.id) + "[" + std::to_string(token.begin) + "," + std::to_string(token.end) + ") ";
  }
  return result;
}

TEST(UnigramModel, TakesThePathWithTheLargestSum) {
  const auto words = model({{"<unk>", 0}, {"a", -1}, {"b", -1}, {"ab", -3}, {"bc", -0.5}, {"c", -4}});
  EXPECT_EQ(encoded(words, "ab"), "1[0,1) 2[1,2) ");   // -2 against -3
  EXPECT_EQ(encoded(words, "abc"), "1[0,1) 4[1,3) ");  // -1.5 against -7 and -6
  EXPECT_EQ(encoded(words, ""), "");
}

// The later of two paths with one sum does not replace the first.
TEST(UnigramModel, KeepsTheFirstOfEqualPaths) {
  EXPECT_EQ(encoded(model({{"<unk>", 0}, {"a", -1}, {"aa", -2}}), "aa"), "2[0,2) ");
}

TEST(UnigramModel, UnknownNeighboursBecomeOneToken) {
  const auto words = model({{"<unk>", 0}, {"a", -1}});
  EXPECT_EQ(encoded(words, "xya\u00e9"), "0[0,2) 1[2,3) 0[3,5) ");
}

TEST(UnigramModel, UnknownCharactersAreSpelledWhereAllBytesAreTokens) {
  const auto words = model({{"<unk>", 0}, {"a", -1}, {"<0xC3>", 0}, {"<0xA9>", 0}}, true);
  EXPECT_EQ(encoded(words, "a\u00e9"), "1[0,1) 2[1,2) 3[2,3) ");
  EXPECT_EQ(encoded(words, "\u00e9x"), "0[0,3) ");  // no token for x, and the two are one unknown text
}

// Two unknown characters cost less than the token that they spell.
TEST(UnigramModel, UnknownTextThatIsATokenIsThatToken) {
  EXPECT_EQ(encoded(model({{"<unk>", 0}, {"xy", -50}, {"a", -1}, {"b", -60}}), "xy"), "1[0,2) ");
  EXPECT_EQ(encoded(model({{"<unk>", 0}, {"xyz", -500}, {"a", -1}}), "xyz"), "1[0,3) ");
}

TEST(UnigramModel, LongTextsAreNotQuadratic) {
  const auto words = model({{"<unk>", 0}, {"a", -1}, {"aa", -1.5}});
  std::vector<WordToken> tokens;
  words.encode(std::string(1'000'001, 'a'), tokens);
  EXPECT_EQ(tokens.size(), 500'001u);
}

}  // namespace
}  // namespace quiver
