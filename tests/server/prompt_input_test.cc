#include "server/prompt_input.h"

#include <array>

#include "protocol/api_error.h"
#include "server/token_bytes.h"
#include "support/golden.h"

namespace quiver {
namespace {

using Ids = std::vector<std::int32_t>;

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const ApiError& error) {
    return error.param() + ": " + error.what();
  }
  return "accepted";
}

TEST(PromptInput, ATextIsReadAsGenerateReadsItOrAsItStands) {
  const RoutedModel model(test::golden_base("tiny_llama"));
  const Tokenizer& tokenizer = model.base().tokenizer();
  EXPECT_EQ(prompt_input(model, std::string("the sea "), PromptReading::kToContinue),
            model.prompt_ids("the sea "));
  const Ids exact = prompt_input(model, std::string("the sea "), PromptReading::kAsItStands);
  EXPECT_EQ(tokenizer.decode(exact, SpecialTokens::kSkip), "the sea ");
  EXPECT_NE(exact, model.prompt_ids("the sea "));
  EXPECT_EQ(prompt_input(model, std::string(), PromptReading::kAsItStands).size(), 1u);
  EXPECT_EQ(prompt_input(model, Ids{5, 6}, PromptReading::kToContinue), (Ids{5, 6}));
  EXPECT_EQ(prompt_text(model, Ids{67, 79}), tokenizer.decode(Ids{67, 79}));
}

TEST(PromptInput, IdsAndLengthsAreChecked) {
  const RoutedModel model(test::golden_base("tiny_llama"));
  const std::int64_t vocabulary = model.base().shape().vocabulary;
  const Ids wrong = {1, static_cast<std::int32_t>(vocabulary)};
  EXPECT_EQ(refusal([&] { prompt_input(model, wrong, PromptReading::kToContinue); }),
            "prompt: 'prompt' has the token id " + std::to_string(vocabulary) + "; the model's are 0 to " +
                std::to_string(vocabulary - 1));
  ASSERT_EQ(model.base().shape().max_positions, 128);
  EXPECT_EQ(refusal([&] { check_length(model.base(), 100, 28, "prompt"); }), "accepted");
  EXPECT_EQ(refusal([&] { check_length(model.base(), 100, 29, "prompt"); }),
            "prompt: the model's context has 128 tokens; 100 of 'prompt' and 29 new ones are more");
  EXPECT_NE(
      refusal([&] { check_length(model.base(), 1, std::numeric_limits<std::int64_t>::max(), "prompt"); }),
      "accepted");
  EXPECT_NE(refusal([&] { check_length(model.base(), 129, 0, "prompt"); }), "accepted");
}

// SentencePiece's decoder takes the space off the front of a text, not off every token.
TEST(TokenBytes, AreThoseInsideAText) {
  const auto tokenizer =
      Tokenizer::from_vocabulary({.model = "llama",
                                  .tokens = {"<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "▁b"},
                                  .token_types = {2, 3, 3, 1, 1, 1, 1, 1},
                                  .scores = {0, 0, 0, -5, -4, -3, -1, -2}});
  const std::int32_t space_b = 7;
  EXPECT_EQ(tokenizer->decode(std::array{space_b}), "b");
  EXPECT_EQ(TokenBytes(*tokenizer)(space_b), " b");
  EXPECT_EQ(TokenBytes(*tokenizer)(2), "</s>");
  const Tokenizer& bytes = test::golden_base("tiny_llama")->tokenizer();
  std::string text;
  for (const std::int32_t id : bytes.encode("the sea é日").ids) text += TokenBytes(bytes)(id);
  EXPECT_EQ(text, "the sea é日");
}

}  // namespace
}  // namespace quiver
