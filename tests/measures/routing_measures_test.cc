#include <gtest/gtest.h>

#include <cmath>

#include "quiver/measures.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

const std::vector<std::string> kExperts = {"animals", "colours", "words"};

void add(RoutingTally& tally, const std::string& task, const std::optional<std::string>& own,
         const std::vector<double>& weights) {
  tally.add({.task = task, .own_expert = own, .experts = kExperts, .weights = weights});
}

TEST(RoutingMeasures, AreThoseOfAHandWorkedCase) {
  RoutingTally tally;
  add(tally, "cat", "animals", {0.5, 0.25, 0.25});  // right
  add(tally, "cat", "animals", {0, 1, 0});          // wrong
  add(tally, "red", "colours", {0, 0, 0});          // abstained
  add(tally, "red", "colours", {0.1, 0.8, 0.1});    // right
  const RoutingMeasures measures = tally.measures();
  EXPECT_DOUBLE_EQ(measures.accuracy.value(), 0.5);
  EXPECT_DOUBLE_EQ(measures.expert_p.value(), (0.5 + 0 + 0 + 0.8) / 4);
  EXPECT_DOUBLE_EQ(measures.abstained, 0.25);
  // 1.5 ln 2; 0; -.8 ln .8 - .2 ln .1
  const double third = -0.8 * std::log(0.8) - 0.2 * std::log(0.1);
  EXPECT_NEAR(measures.entropy.value(), (1.5 * std::log(2) + 0 + third) / 3, 1e-12);
  const std::map<std::string, std::map<std::string, double>> weights = {
      {"cat", {{"animals", 0.25}, {"colours", 0.625}, {"words", 0.125}}},
      {"red", {{"animals", 0.05}, {"colours", 0.4}, {"words", 0.05}}}};
  EXPECT_EQ(measures.weights, weights);
}

TEST(RoutingMeasures, EqualWeightsAreRightAsOftenAsChance) {
  RoutingTally tally;
  add(tally, "cat", "animals", {1.0 / 3, 1.0 / 3, 1.0 / 3});
  add(tally, "red", "colours", {0.5, 0.5, 0});
  const RoutingMeasures measures = tally.measures();
  EXPECT_DOUBLE_EQ(measures.accuracy.value(), (1.0 / 3 + 1.0 / 2) / 2);
  EXPECT_NEAR(measures.entropy.value(), (std::log(3) + std::log(2)) / 2, 1e-12);
}

TEST(RoutingMeasures, ForeignPromptsHaveNoRightExpert) {
  RoutingTally tally;
  add(tally, "arc", std::nullopt, {0.5, 0.5, 0});
  add(tally, "arc", std::nullopt, {0, 0, 0});
  add(tally, "arc", std::nullopt, {0, 0, 0});
  add(tally, "arc", std::nullopt, {0, 0, 0});
  const RoutingMeasures measures = tally.measures();
  EXPECT_EQ(measures.accuracy, std::nullopt);
  EXPECT_EQ(measures.expert_p, std::nullopt);
  EXPECT_DOUBLE_EQ(measures.abstained, 0.75);
  EXPECT_DOUBLE_EQ(measures.entropy.value(), std::log(2));
  EXPECT_DOUBLE_EQ(measures.weights.at("arc").at("animals"), 0.125);
}

TEST(RoutingMeasures, OnlyAbstainedHasNoEntropy) {
  RoutingTally tally;
  EXPECT_TRUE(tally.empty());
  add(tally, "cat", "animals", {0, 0, 0});
  EXPECT_FALSE(tally.empty());
  EXPECT_EQ(tally.measures().entropy, std::nullopt);
  EXPECT_EQ(tally.measures().accuracy, 0.0);
  EXPECT_EQ(tally.measures().abstained, 1.0);
  EXPECT_TRUE(tally.measures().weights.at("cat").empty());
}

// With an expert left out the lists of experts differ from prompt to prompt.
TEST(RoutingMeasures, TalliesAndListsOfExpertsAddUp) {
  RoutingTally whole, first, second;
  const auto add_both = [&](RoutingTally& part, const std::vector<std::string>& experts,
                            const std::vector<double>& weights) {
    const std::string task = "cat";
    const RoutedPrompt prompt{.task = task, .own_expert = "animals", .experts = experts, .weights = weights};
    whole.add(prompt);
    part.add(prompt);
  };
  add_both(first, {"animals", "colours"}, {0.75, 0.25});
  add_both(second, {"colours", "words"}, {0.25, 0.75});
  add_both(second, {"animals"}, {1});
  first.add(second);
  EXPECT_EQ(first.measures().weights, whole.measures().weights);
  EXPECT_DOUBLE_EQ(first.measures().accuracy.value(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(first.measures().expert_p.value(), 1.75 / 3);
  EXPECT_DOUBLE_EQ(first.measures().entropy.value(), whole.measures().entropy.value());
}

TEST(RoutingMeasures, RefuseWhatIsNoShare) {
  RoutingTally tally;
  EXPECT_EQ(error_message([&] { add(tally, "cat", {}, {1}); }), "1 routing weights for 3 experts");
  EXPECT_EQ(error_message([&] { add(tally, "cat", {}, {-0.5, 0.5, 0}); }), "a routing weight is -0.500000");
  EXPECT_EQ(error_message([&] {
              add(tally, "cat", {}, {0.9, 0.5, 0});
            }),
            "the routing weights of a prompt sum to 1.400000");
  EXPECT_TRUE(tally.empty());
}

}  // namespace
}  // namespace quiver
