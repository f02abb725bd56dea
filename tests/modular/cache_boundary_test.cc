// Models whose positions change beyond a length: tests/golden/families/phi3_longrope, beyond 48 tokens.
#include <ATen/core/grad_mode.h>

#include "quiver/generation.h"
#include "quiver/scoring.h"
#include "support/golden.h"

namespace quiver {
namespace {

class CacheBoundaryTest : public testing::Test {
 protected:
  const RoutedModel model_{test::load_family("phi3_longrope")};
  const std::string prompt_ = "a b c d e f g h i j k l m n o p q r s t u v w";

  at::Tensor logits(const std::vector<std::int32_t>& ids) const {
    const at::NoGradGuard no_gradients;
    return model_.base().logits(model_.base().forward(test::batch_of({ids})));
  }
};

TEST_F(CacheBoundaryTest, ATextThatCrossesItGoesOnAsIfRunWhole) {
  std::vector<std::int32_t> ids = model_.base().tokenizer().encode(prompt_).ids;
  ASSERT_LT(ids.size(), 48u);
  const std::size_t prompt_tokens = ids.size();
  while (ids.size() < 60)
    ids.push_back(static_cast<std::int32_t>(logits(ids)[-1].argmax().item<std::int64_t>()));
  const std::vector<std::int32_t> expected(ids.begin() + static_cast<std::ptrdiff_t>(prompt_tokens),
                                           ids.end());

  GenerationOptions options;
  options.max_new_tokens = static_cast<std::int64_t>(expected.size());
  options.ignore_stop_tokens = true;
  const std::vector<GenerationRequest> requests = {{model_, "x"}, {model_, prompt_}};
  EXPECT_EQ(generate(requests, options)[1].ids, expected);
}

TEST_F(CacheBoundaryTest, CompletionsOnBothSidesOfItScoreAsIfAlone) {
  const std::vector<std::string> completions = {" x", " x y z and so on, to well beyond the length"};
  std::vector<ScoreRequest> requests;
  for (const std::string& completion : completions) requests.push_back({model_, prompt_, completion});
  const std::vector<Score> together = score(requests, {});
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const std::vector<std::int32_t> prompt = model_.base().tokenizer().encode(prompt_).ids;
    const std::vector<std::int32_t> ids = model_.base().tokenizer().encode(prompt_ + completions[i]).ids;
    EXPECT_EQ(ids.size() > 48, i == 1);
    const at::Tensor log_probability = at::log_softmax(logits(ids), 1);
    double expected = 0;
    for (std::size_t t = prompt.size(); t < ids.size(); ++t)
      expected += log_probability[static_cast<std::int64_t>(t) - 1][ids[t]].item<double>();
    EXPECT_NEAR(together[i].logprob, expected, 1e-3) << i;
  }
}

TEST_F(CacheBoundaryTest, PromptsThatBeginAlikeOnBothSidesOfItScoreAsIfAlone) {
  std::vector<ScoreRequest> requests;
  for (const std::string end : {" y", " z", " x"}) requests.push_back({model_, prompt_ + end, " a"});
  for (const bool has_long : {false, true}) {
    if (has_long) requests.push_back({model_, prompt_ + " and so on, to well beyond the length of it", " a"});
    const std::vector<Score> together = score(requests);
    for (std::size_t i = 0; i < requests.size(); ++i)
      EXPECT_NEAR(together[i].logprob, score({&requests[i], 1}).front().logprob, 1e-3) << i;
  }
}

TEST_F(CacheBoundaryTest, ACacheMayNotGrowPastIt) {
  const BaseModel& base = model_.base();
  SequenceCache cache = base.make_cache(64);
  SequenceCache* const caches[] = {&cache};
  const at::NoGradGuard no_gradients;
  base.forward(test::batch_of({std::vector<std::int32_t>(48, 5)}), nullptr, caches);
  EXPECT_EQ(test::error_message([&] { base.forward(test::batch_of({{5}}), nullptr, caches); }),
            "a cache of 48 tokens cannot grow to 49: beyond 48 tokens the model's positions change | run the "
            "whole sequence again with a new cache");
}

}  // namespace
}  // namespace quiver
