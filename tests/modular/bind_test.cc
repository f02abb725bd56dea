// What serves a sequence, experts left out, and the record of what ran.
#include <ATen/core/grad_mode.h>

#include <numeric>

#include "modular/routed_fixture.h"
#include "quiver/generation.h"

namespace quiver {
namespace {

class BindTest : public testing::Test {
 protected:
  at::Tensor logits(const RoutedModel& model) const {
    const at::NoGradGuard no_gradients;
    const std::string tasks[] = {"task_1", "task_3"};
    return model.base().logits(model.forward(test::batch_of({{5, 90, 200, 7}, {33, 1}}), tasks));
  }

  test::GoldenLibrary library_;
};

TEST_F(BindTest, SaysTheWeightsOfOneDecision) {
  EXPECT_EQ(library_.compose("base").bind({}).adapter, nullptr);
  EXPECT_EQ(library_.compose("oracle").bind({}, "task_3").expert_weights, (std::vector<double>{0, 0, 0, 1}));
  EXPECT_EQ(library_.compose("uniform").bind({}).expert_weights, (std::vector<double>(4, 0.25)));
  EXPECT_TRUE(library_.compose("arrow").bind({}).expert_weights.empty());
  const RoutedModel oracle = library_.compose("oracle");
  EXPECT_EQ(oracle.bind({}, "task_1").adapter, oracle.bind({}, "task_1").adapter);
  EXPECT_NE(oracle.bind({}, "task_1").adapter, oracle.bind({}, "task_2").adapter);
  EXPECT_EQ(oracle.expert_of_task("task_2"), std::optional<std::size_t>(2));
  EXPECT_EQ(oracle.expert_of_task("task_9"), std::nullopt);
}

TEST_F(BindTest, LeavingAnExpertOutIsALibraryWithoutIt) {
  RouterOptions arrow = parse_router("arrow");
  arrow.top_k = 2;
  std::vector<RouterOptions> routers = {parse_router("uniform"), arrow, parse_router("phatgoose")};
  std::vector<at::Tensor> left_out;
  for (const RouterOptions& router : routers)
    left_out.push_back(logits(library_.compose(router).without_expert("expert_2")));
  library_.library().remove("expert_2");
  for (std::size_t i = 0; i < routers.size(); ++i) {
    const RoutedModel model = library_.compose(routers[i]);
    EXPECT_TRUE(at::equal(left_out[i], logits(model))) << router_name(routers[i]);
    EXPECT_EQ(model.expert_names(), (std::vector<std::string>{"expert_0", "expert_1", "expert_3"}));
  }
}

TEST_F(BindTest, WhatCannotBeLeftOut) {
  EXPECT_EQ(test::error_message([&] { library_.compose("uniform").without_expert("expert_9"); }),
            "no expert 'expert_9' | did you mean 'expert_0' or 'expert_1' or 'expert_2'?");
  EXPECT_NE(test::error_message([&] {
              library_.compose("expert:expert_1").without_expert("expert_1");
            }).find("has no experts to choose"),
            std::string::npos);
  RouterOptions all_four = parse_router("arrow");
  all_four.top_k = 4;
  EXPECT_NE(
      test::error_message([&] { library_.compose(all_four).without_expert("expert_1"); }).find("top_k 4"),
      std::string::npos);
}

TEST_F(BindTest, GenerationRecordsTheRoutingOfItsPrompt) {
  const std::string prompt = "an arrow and a quiver";
  for (const char* name : {"arrow", "phatgoose", "uniform", "oracle"}) {
    SCOPED_TRACE(name);
    const RoutedModel model = library_.compose(name);
    const GenerationRequest requests[] = {{model, prompt, "task_1"}, {model, "another text", "task_2"}};
    GenerationOptions options{.max_new_tokens = 3, .record_routing = true};
    const Generation recorded = generate(requests, options)[0];
    options.record_routing = false;
    const Generation plain = generate(requests, options)[0];
    EXPECT_EQ(recorded.ids, plain.ids);
    EXPECT_TRUE(plain.expert_weights.empty());

    const std::map<std::string, at::Tensor> trace = model.route(prompt, "task_1");
    at::Tensor sum = at::zeros_like(trace.begin()->second);
    for (const auto& [path, weights] : trace) sum = sum + weights;
    const at::Tensor mean = sum.mean(0) / static_cast<double>(trace.size());
    ASSERT_EQ(recorded.expert_weights.size(), 4u);
    for (std::int64_t e = 0; e < 4; ++e)
      EXPECT_NEAR(recorded.expert_weights[static_cast<std::size_t>(e)], mean[e].item<double>(), 1e-4);
    ASSERT_EQ(static_cast<std::int64_t>(recorded.token_experts.size()), sum.size(0));
    for (std::int64_t t = 0; t < sum.size(0); ++t) {
      const auto chosen = recorded.token_experts[static_cast<std::size_t>(t)];
      EXPECT_NEAR(sum[t][chosen].item<double>(), sum[t].max().item<double>(), 1e-3);
    }
  }
  EXPECT_TRUE(generate(std::vector<GenerationRequest>{{library_.compose("base"), prompt}},
                       {.max_new_tokens = 2, .record_routing = true})[0]
                  .expert_weights.empty());
}

TEST(RouterSettings, AreCheckedByTheirRouter) {
  RouterOptions arrow = parse_router("arrow");
  set_router_setting(arrow, "input_norm", "norm_d");
  EXPECT_EQ(router_setting(arrow, "input_norm"), "norm_d");
  EXPECT_EQ(router_setting(arrow, "proto_norm"), "id");
  EXPECT_EQ(test::error_message([&] { set_router_setting(arrow, "input_norm", "l2"); }),
            "'input_norm' of router 'arrow' is 'l2', must be one of id, norm_d, unit");
  EXPECT_EQ(test::error_message([&] { set_router_setting(arrow, "prior_weight", "nan"); }),
            "'prior_weight' of router 'arrow' is 'nan', must be a number between 0 and 1e+06");
  EXPECT_EQ(test::error_message([] {
              RouterOptions uniform = parse_router("uniform");
              set_router_setting(uniform, "rule", "ridge");
            }),
            "router 'uniform' has no setting 'rule' | leave it out");
  const nlohmann::json object = to_json(arrow);
  EXPECT_EQ(object.at("input_norm"), "norm_d");
  EXPECT_EQ(to_json(router_options_from_json(object, "file")), object);
}

}  // namespace
}  // namespace quiver
