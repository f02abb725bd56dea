// Golden files: tests/golden/make_tiny_models.py.
#include "modular/routed_fixture.h"
#include "quiver/generation.h"

namespace quiver {
namespace {

class GenerateGoldenTest : public testing::TestWithParam<const char*> {};

TEST_P(GenerateGoldenTest, GreedyIds) {
  const Json expected = test::golden_json("tiny_models.json").at(GetParam());
  const auto [base, text] = test::spell(GetParam(), test::ids_of(expected.at("ids")));
  const RoutedModel model(base);
  const GenerationRequest requests[] = {{model, text}};
  const Generation generation = generate(requests, {.max_new_tokens = 12}).front();
  EXPECT_EQ(generation.ids, test::ids_of(expected.at("greedy_ids")));
  EXPECT_EQ(generation.text, base->tokenizer().decode(generation.ids));
  EXPECT_EQ(generation.prompt_tokens, 24);
}

INSTANTIATE_TEST_SUITE_P(Models, GenerateGoldenTest,
                         testing::Values("tiny_llama", "tiny_llama_untied", "tiny_llama_sharded",
                                         "tiny_gpt_neo"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace quiver
