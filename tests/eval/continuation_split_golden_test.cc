#include "eval/continuation_split.h"
#include "support/golden.h"

namespace quiver {
namespace {

class Split : public testing::Test {
 protected:
  SplitText split(const std::string& prompt, const std::string& continuation) {
    return splitter_.split(prompt, continuation);
  }

  ContinuationSplitter splitter_{test::golden_base("tiny_llama")->tokenizer()};
};

TEST_F(Split, MovesWhiteSpaceToTheContinuation) {
  EXPECT_EQ(split("a b", " c").continuation, " c");
  EXPECT_EQ(split("a b  ", " c").prompt, "a b");
  EXPECT_EQ(split("a b  ", " c").continuation, "   c");
  EXPECT_EQ(split("a b\n", " c").continuation, "\n c");
  EXPECT_EQ(split("a b\xC2\xA0", " c").continuation, "\xC2\xA0 c");  // a space that does not break
  EXPECT_EQ(split("", " c").continuation, " c");
}

// "<|endoftext|>" is one token: alone, its first half has several.
TEST_F(Split, RefusesAContinuationWithoutAToken) {
  EXPECT_EQ(test::error_message([&] { split("a <|endof", "text|>"); }),
            "the continuation 'text|>' adds no token to its prompt");
}

// The prompt alone has more tokens than its part of the whole text: the continuation begins later.
TEST_F(Split, CountsTheTokensOfThePrompt) {
  const SplitText text = split("<|end", "oftext|> one two three four five six seven");
  const Tokenizer& tokenizer = test::golden_base("tiny_llama")->tokenizer();
  EXPECT_EQ(text.prompt + text.continuation, "<|endoftext|> one two three four five six seven");
  EXPECT_EQ(tokenizer.encode(text.prompt).ids.size(), tokenizer.encode("<|end").ids.size());
}

}  // namespace
}  // namespace quiver
