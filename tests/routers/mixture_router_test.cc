// Named experts with given weights.
#include <ATen/core/grad_mode.h>

#include "modular/routed_fixture.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;

class MixtureRouterTest : public testing::Test {
 protected:
  RoutedModel compose(const std::string& weights, Combine combine = Combine::kOutput) const {
    RouterOptions router = parse_router("mixture");
    set_router_setting(router, "mixture", weights);
    router.combine = combine;
    return library_.compose(router);
  }

  at::Tensor logits(const RoutedModel& model) const {
    const at::NoGradGuard no_gradients;
    return model.base().logits(model.forward(test::batch_of({{5, 90, 200, 7}, {33, 1}})));
  }

  test::GoldenLibrary library_;
};

// As one expert with the updates 0.75 D_1 - 0.5 D_3.
TEST_F(MixtureRouterTest, AddsTheUpdatesWithTheirWeights) {
  const RoutedModel model = compose("expert_3=-0.5,expert_1=0.75");
  EXPECT_EQ(model.expert_names(), (std::vector<std::string>{"expert_1", "expert_3"}));  // no other is read
  EXPECT_EQ(model.bind({}).expert_weights, (std::vector<double>{0.75, -0.5}));
  const std::vector<Expert> experts = test::golden_experts();
  Expert sum = experts[1];
  sum.info.name = "sum";
  sum.info.tasks = {};
  for (auto& [path, lora] : sum.modules) {
    const LoraWeights& other = experts[3].modules.at(path);
    lora = {at::cat({lora.a, other.a}),
            at::cat({lora.b * 0.75 * lora.scale, other.b * -0.5 * other.scale}, 1), 1};
  }
  ExpertLibrary joined = ExpertLibrary::create((library_ / "joined").string());
  joined.add(sum);
  const RoutedModel one = RoutedModel::compose(golden_base("tiny_llama"), joined, parse_router("expert:sum"));
  EXPECT_LT(test::max_difference(logits(model), logits(one)), 1e-4);
}

TEST_F(MixtureRouterTest, QuartersAreUniformAndOneIsTheExpert) {
  const std::string quarters = "expert_0=0.25,expert_1=0.25,expert_2=0.25,expert_3=0.25";
  for (const Combine combine : {Combine::kOutput, Combine::kParameter}) {
    RouterOptions uniform = parse_router("uniform");
    uniform.combine = combine;
    EXPECT_TRUE(at::equal(logits(compose(quarters, combine)), logits(library_.compose(uniform))));
  }
  EXPECT_TRUE(at::equal(logits(compose("expert_2=1")), logits(library_.compose("expert:expert_2"))));
  EXPECT_EQ(compose("expert_2=0").bind({}).adapter, nullptr);
}

TEST_F(MixtureRouterTest, ALoadedModelGivesTheSameBits) {
  const RoutedModel model = compose("expert_0=0.1,expert_3=1e-1");
  model.save(library_ / "saved");
  const RoutedModel loaded = RoutedModel::load(library_ / "saved", golden_base("tiny_llama"));
  EXPECT_TRUE(at::equal(logits(loaded), logits(model)));
  EXPECT_EQ(to_json(loaded.router()), to_json(model.router()));
}

TEST_F(MixtureRouterTest, RefusesWhatIsNoMixture) {
  const std::string start = "'mixture' of router 'mixture': ", end = " | write EXPERT=WEIGHT,EXPERT=WEIGHT";
  EXPECT_EQ(error_message([&] { library_.compose("mixture"); }), start + "none are given" + end);
  EXPECT_EQ(error_message([&] { compose("expert_1"); }),
            start + "'expert_1' is no expert with a weight" + end);
  EXPECT_EQ(error_message([&] { compose("expert_1=nan"); }),
            start + "the weight of 'expert_1' is 'nan', which is no finite number" + end);
  EXPECT_EQ(error_message([&] { compose("expert_1=1,expert_1=2"); }),
            start + "'expert_1' is named twice" + end);
  EXPECT_EQ(error_message([&] {
              compose("expert_1=1,expert_9=2");
            }).find("expert 'expert_9' is not among the experts | did you mean"),
            0u);
}

}  // namespace
}  // namespace quiver
