// What an evaluation says of where the prompts went, and evaluation without a prompt's own expert.

#include <cmath>

#include "modular/routed_fixture.h"
#include "quiver/evaluation.h"

namespace quiver {
namespace {

using Weights = std::map<std::string, std::map<std::string, double>>;

class RoutingRecord : public testing::Test {
 protected:
  std::vector<Evaluation> evaluate(const std::vector<RoutedModel>& models,
                                   OwnExpert own = OwnExpert::kIncluded) const {
    const GenerationOptions options = {.max_new_tokens = 2, .record_routing = true};
    return evaluate_rouge(models, examples_, options, {}, own);
  }

  RoutedModel arrow(int top_k) const {
    RouterOptions options = parse_router("arrow");
    options.top_k = top_k;
    return library_.compose(options);
  }

  // The mean of route() over slots and tokens, for an expert.
  static double routed_weight(const RoutedModel& model, const std::string& prompt, std::int64_t expert) {
    double sum = 0;
    const auto routes = model.route(prompt);
    for (const auto& [slot, weights] : routes) sum += weights.select(1, expert).mean().item<double>();
    return sum / static_cast<double>(routes.size());
  }

  test::GoldenLibrary library_;
  const std::vector<Example> examples_ = {{"a cat sat", "x", "task_1", "", ""},
                                          {"the dog", "y", "task_3", "", ""},
                                          {"far away", "z", "foreign", "", ""}};
};

TEST_F(RoutingRecord, OfTheBaseIsNothing) {
  const Evaluation base = evaluate({library_.compose("base")}).front();
  EXPECT_TRUE(base.routing.empty());
  EXPECT_EQ(base.scores.size(), 3u);
}

TEST_F(RoutingRecord, OfFixedRoutersIsWhatTheyAre) {
  RouterOptions oracle = parse_router("oracle");
  oracle.default_expert = "expert_0";
  const auto evaluations = evaluate({library_.compose(oracle), library_.compose("uniform")});
  const RoutingMeasures told = evaluations[0].routing.measures(), equal = evaluations[1].routing.measures();
  EXPECT_EQ(told.accuracy, 1.0);
  EXPECT_EQ(told.expert_p, 1.0);
  EXPECT_EQ(told.entropy, 0.0);
  EXPECT_EQ(told.abstained, 0.0);
  EXPECT_EQ(told.weights, (Weights{{"foreign", {{"expert_0", 1}}},
                                   {"task_1", {{"expert_1", 1}}},
                                   {"task_3", {{"expert_3", 1}}}}));
  EXPECT_EQ(equal.accuracy, 0.25);
  EXPECT_EQ(equal.expert_p, 0.25);
  EXPECT_NEAR(equal.entropy.value(), std::log(4), 1e-6);
  // Every token of a prompt, and the expert of its task.
  ASSERT_EQ(evaluations[0].token_experts.size(), 3u);
  const std::size_t tokens = library_.compose("base").prompt_ids("the dog").size();
  EXPECT_EQ(evaluations[0].token_experts[1], std::vector<std::int32_t>(tokens, 3));
}

TEST_F(RoutingRecord, OfTokenRoutersIsTheMeanOfWhatRouteShows) {
  const RoutedModel model = arrow(2);
  const RoutingMeasures measures = evaluate({model}).front().routing.measures();
  for (std::int64_t expert = 0; expert < 4; ++expert) {
    const auto& weights = measures.weights.at("task_1");
    const auto found = weights.find("expert_" + std::to_string(expert));
    EXPECT_NEAR(found == weights.end() ? 0 : found->second, routed_weight(model, "a cat sat", expert), 1e-5);
  }
  const double own = routed_weight(model, "a cat sat", 1), other = routed_weight(model, "the dog", 3);
  EXPECT_NEAR(measures.expert_p.value(), (own + other) / 2, 1e-5);
}

TEST_F(RoutingRecord, ChoicesAreRoutedByTheirPrompt) {
  ChoiceQuestion question = {.id = "q",
                             .task = "task_1",
                             .prompts = {"a cat sat", "a cat sat"},
                             .continuations = {" on", " off"},
                             .choices = {"on", "off"}};
  const std::vector<RoutedModel> models = {library_.compose("base"), library_.compose("uniform"), arrow(2)};
  const std::vector<std::string> metrics = {"acc", "acc_norm"};
  const auto plain = evaluate_choices(models, {&question, 1}, metrics);
  for (const ChoiceEvaluation& evaluation : plain) EXPECT_TRUE(evaluation.metrics[0].routing.empty());
  const auto recorded =
      evaluate_choices(models, {&question, 1}, metrics, {}, Truncation::kError, {.record = true});
  EXPECT_TRUE(recorded[0].metrics[0].routing.empty());
  EXPECT_EQ(recorded[1].metrics[1].routing.measures().expert_p, 0.25);
  EXPECT_NEAR(recorded[2].metrics[0].routing.measures().expert_p.value(),
              routed_weight(models[2], "a cat sat", 1), 1e-5);
  for (std::size_t m = 0; m < 3; ++m) EXPECT_EQ(recorded[m].logprobs, plain[m].logprobs);
}

TEST_F(RoutingRecord, WithoutTheOwnExpertTheOthersServe) {
  const auto evaluations = evaluate({library_.compose("uniform"), arrow(2)}, OwnExpert::kLeftOut);
  const RoutingMeasures equal = evaluations[0].routing.measures();
  EXPECT_EQ(equal.accuracy, std::nullopt);
  const double third = equal.weights.at("task_1").at("expert_0");
  EXPECT_NEAR(third, 1.0 / 3, 1e-6);
  EXPECT_EQ(equal.weights.at("task_1"),
            (std::map<std::string, double>{{"expert_0", third}, {"expert_2", third}, {"expert_3", third}}));
  EXPECT_EQ(equal.weights.at("foreign").size(), 4u);
  // Text and routing are those of a library without the expert.
  const RoutedModel others = arrow(2).without_expert("expert_1");
  const Evaluation alone = evaluate({others}).front();
  EXPECT_EQ(evaluations[1].texts[0], alone.texts[0]);
  const auto& ours = evaluations[1].routing.measures().weights.at("task_1");
  EXPECT_FALSE(ours.contains("expert_1"));
  EXPECT_EQ(ours, alone.routing.measures().weights.at("task_1"));
  // The tokens' experts are places among all experts.
  for (std::size_t t = 0; t < alone.token_experts[0].size(); ++t) {
    const std::int32_t place = alone.token_experts[0][t];
    EXPECT_EQ(evaluations[1].token_experts[0][t], place >= 1 ? place + 1 : place);
  }
}

TEST_F(RoutingRecord, TheOracleKeepsTheOwnExpert) {
  RouterOptions oracle = parse_router("oracle");
  oracle.default_expert = "expert_0";
  const Evaluation told = evaluate({library_.compose(oracle)}, OwnExpert::kLeftOut).front();
  EXPECT_EQ(told.routing.measures().accuracy, 1.0);
}

TEST_F(RoutingRecord, WhatCannotBeLeftOutIsAnError) {
  EXPECT_EQ(test::error_message([&] {
              evaluate({arrow(4)}, OwnExpert::kLeftOut);
            }).find("task 'task_1' without its own expert 'expert_1': "),
            0u);
  for (const char* name : {"expert_0", "expert_2", "expert_3"}) library_.library().remove(name);
  EXPECT_EQ(
      test::error_message([&] { evaluate({library_.compose("uniform")}, OwnExpert::kLeftOut); }),
      "'expert_1' is the only expert: without it nothing is left for its own task 'task_1' | leaving out a "
      "task's own expert needs at least two");
}

}  // namespace
}  // namespace quiver
