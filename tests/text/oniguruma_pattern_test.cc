#include "text/oniguruma_pattern.h"

#include <gtest/gtest.h>

#include "core/regex.h"
#include "support/test_support.h"

namespace quiver {
namespace {

bool matches(const std::string& pattern, const std::string& text) {
  const auto found = oniguruma_regex(pattern, "test").find_all(text);
  return found.size() == 1 && found[0].begin == 0 && found[0].end == text.size();
}

// Expected: what `tokenizers` 0.23.3 (Oniguruma) matches, tried over all code points.
TEST(OnigurumaPattern, WhiteSpaceIsUnicodes) {
  for (const char* space :
       {"\t", "\v", "\f", "\r", " ", "\u0085", "\u00a0", "\u1680", "\u2028", "\u2029", "\u3000"}) {
    EXPECT_TRUE(matches("\\s", space));
    EXPECT_FALSE(matches("[^\\s]", space));
  }
  for (const char* other : {"\u180e", "\u200b", "\ufeff", "\x1c", "a"}) {
    EXPECT_FALSE(matches("[\\s]", other));
    EXPECT_TRUE(matches("\\S", other));
  }
}

TEST(OnigurumaPattern, WordsHoldMarksAndConnectors) {
  for (const char* word : {"a", "_", "\u0301", "\u203f", "7", "\u00b2"})
    EXPECT_TRUE(matches("\\w", word)) << word;
  for (const char* other : {"-", "\u0d58", "\u200d", " "}) EXPECT_TRUE(matches("\\W", other)) << other;
}

TEST(OnigurumaPattern, KnowsLettersOfUnicode16) {
  for (const char* letter : {"\U000105c0", "\U0002ebf0", "\u1c89"}) {
    EXPECT_TRUE(matches("\\p{L}", letter));
    EXPECT_TRUE(matches("[\\p{L}]", letter));
    EXPECT_FALSE(matches("\\P{L}", letter));
    EXPECT_FALSE(matches("[^\\p{^N}]", letter));
  }
  EXPECT_TRUE(matches("\\p{N}", "\U00011f50"));
  EXPECT_TRUE(matches("\\P{N}", "a"));
}

TEST(OnigurumaPattern, ScriptsAreNotExtensions) {
  EXPECT_TRUE(matches("\\p{Han}", "\u6f22"));
  EXPECT_FALSE(matches("\\p{Han}", "\u3001"));  // an ideographic comma: Common, used with Han
}

TEST(OnigurumaPattern, CodePoints) { EXPECT_TRUE(matches("\\u00e9\\x41\\x{1F600}", "\u00e9A\U0001f600")); }

TEST(OnigurumaPattern, RefusesWhatTheEnginesReadDifferently) {
  const auto refusal = [](const std::string& pattern) {
    return test::error_message([&] { pcre2_from_oniguruma(pattern, "file"); });
  };
  EXPECT_EQ(refusal("a\\h"), "file: '\\h' in the regular expression 'a\\h' is not supported");
  EXPECT_NE(refusal("[a[b]]").find("a class inside a class"), std::string::npos);
  EXPECT_NE(refusal("[a&&b]").find("'&&'"), std::string::npos);
  EXPECT_NE(refusal("a{1,3}+").find("'}+'"), std::string::npos);
  EXPECT_NE(refusal("(?m:a)").find("'(?m:'"), std::string::npos);
  EXPECT_NE(refusal("(*UTF)").find("'(*'"), std::string::npos);
  EXPECT_NE(refusal("[\\W]").find("'\\W' inside a class"), std::string::npos);
  EXPECT_NE(refusal("\\xff").find("'\\x'"), std::string::npos);
  EXPECT_NE(refusal("\\u12").find("'\\u'"), std::string::npos);
  EXPECT_NE(refusal("\\pL").find("without braces"), std::string::npos);
  EXPECT_NE(refusal("a\\").find("a '\\' at the end"), std::string::npos);
  EXPECT_NE(refusal("[]a]").find("']' right after '['"), std::string::npos);
}

TEST(Regex, GivesUpOnEndlessBacktracking) {
  const Regex pattern = oniguruma_regex("(?:a+)+[bc]", "test");
  const std::string message = test::error_message([&] { pattern.find_all(std::string(5000, 'a')); });
  EXPECT_NE(message.find("'(?:a+)+[bc]' gives up on a text of 5000 bytes"), std::string::npos) << message;
}

TEST(Regex, SkipsAnEmptyMatchRightAfterAMatch) {
  const auto found = oniguruma_regex("a*", "test").find_all("aab");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].end, 2u);
  EXPECT_EQ(found[1].begin, 3u);
}

}  // namespace
}  // namespace quiver
