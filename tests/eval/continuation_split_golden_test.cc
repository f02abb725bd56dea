#include "eval/continuation_split.h"
#include "support/golden.h"

namespace quiver {
namespace {

class Split : public testing::Test {
 protected:
  TextIds split(const std::string& prompt, const std::string& continuation) {
    return splitter_.split(prompt, continuation);
  }

  // What is scored, as text.
  std::string continuation(const std::string& prompt, const std::string& continuation) {
    const TextIds text = split(prompt, continuation);
    return tokenizer().decode(std::span(text.ids).subspan(text.begin));
  }

  const Tokenizer& tokenizer() const { return model_.base().tokenizer(); }

  RoutedModel model_{test::golden_base("tiny_llama")};
  ContinuationSplitter splitter_{model_};
};

TEST_F(Split, MovesWhiteSpaceToTheContinuation) {
  EXPECT_EQ(continuation("a b", " c"), " c");
  EXPECT_EQ(continuation("a b  ", " c"), "   c");
  EXPECT_EQ(continuation("a b\n", " c"), "\n c");
  EXPECT_EQ(continuation("a b\xC2\xA0", " c"), "\xC2\xA0 c");  // a space that does not break
  EXPECT_EQ(continuation("", " c"), " c");
}

// "<|endoftext|>" is one token: alone, its first half has several.
TEST_F(Split, RefusesAContinuationWithoutAToken) {
  EXPECT_EQ(
      test::error_message([&] { split("a <|endof", "text|>"); }),
      "the continuation 'text|>' adds no token to its prompt | where the tokenizer makes one token of both, "
      "a `delimiter` of the task parts them");
}

// The prompt alone has more tokens than its part of the whole text: the continuation begins later.
TEST_F(Split, CountsTheTokensOfThePrompt) {
  const TextIds text = split("<|end", "oftext|> one two three four five six seven");
  EXPECT_EQ(text.ids, tokenizer().encode("<|endoftext|> one two three four five six seven").ids);
  EXPECT_EQ(text.begin, tokenizer().encode("<|end").ids.size());
}

// tiny_llama's begin-of-text is its end-of-text, and stands before no text but an empty one.
TEST_F(Split, AnEmptyPromptIsBeginOfText) {
  EXPECT_EQ(split("", " c").ids.front(), 0);
  EXPECT_EQ(split("", " c").begin, 1u);
  EXPECT_EQ(split("", "<|endoftext|> c").ids, tokenizer().encode("<|endoftext|> c").ids);
  EXPECT_EQ(split("", "<|endoftext|> c").begin, 1u);
}

}  // namespace
}  // namespace quiver
