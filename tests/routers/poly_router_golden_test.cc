// Golden files: tests/golden/make_poly.py, the formula of mttl's poly_router.
#include <ATen/core/grad_mode.h>

#include "modular/routed_fixture.h"
#include "quiver/mttl.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::error_message;
using test::golden_base;
using test::ids_of;
using test::max_difference;

class PolyRouterGoldenTest : public testing::Test {
 protected:
  PolyRouterGoldenTest() { imported_ = import_mttl(test::golden_path("mttl_model_poly"), library_); }

  RoutedModel compose(const std::string& combine) const {
    RouterOptions router = parse_router("poly");
    router.combine = parse_combine(combine);
    return RoutedModel::compose(golden_base("tiny_llama"), library_, router);
  }

  at::Tensor logits(const RoutedModel& model, const std::string& task) const {
    const at::NoGradGuard no_gradients;
    const std::string tasks[] = {task};
    return model.base().logits(model.forward(batch_of({ids_of(golden_.at("ids"))}), tasks));
  }

  const Json golden_ = test::golden_json("poly.json");
  const SafetensorsFile expected_ = SafetensorsFile::open(test::golden_path("poly.safetensors"));
  test::ScratchDirectory scratch_;
  ExpertLibrary library_ = ExpertLibrary::create((scratch_ / "library").string());
  MttlImport imported_;
};

TEST_F(PolyRouterGoldenTest, AModelOfMttlBringsItsLogits) {
  EXPECT_TRUE(imported_.problems.empty());
  EXPECT_TRUE(imported_.left_out.empty());
  EXPECT_EQ(imported_.artefacts, 2);
  const std::optional<Artefact> second = library_.find_artefact("expert_3", "poly");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->settings.at("tasks"), golden_.at("tasks"));
  ASSERT_EQ(second->tensors.size(), 6u);
  for (const auto& [path, column] : second->tensors)
    EXPECT_TRUE(at::equal(column, expected_.read("z/" + path).select(1, 1))) << path;
}

TEST_F(PolyRouterGoldenTest, EachTaskHasItsWeightsAndOthersTheLastRow) {
  EXPECT_EQ(parse_router("poly").combine, Combine::kParameter);
  for (const char* combine : {"parameter", "output"}) {
    const RoutedModel model = compose(combine);
    model.save(scratch_ / "saved");
    const RoutedModel loaded = RoutedModel::load(scratch_ / "saved", golden_base("tiny_llama"));
    for (const std::string task : {"sums", "colours", "unheard of"}) {
      SCOPED_TRACE(task + ", " + combine);
      EXPECT_LT(max_difference(logits(model, task), expected_.read(task + "/" + combine)), 1e-4);
      EXPECT_TRUE(at::equal(logits(loaded, task), logits(model, task)));
    }
    EXPECT_EQ(to_json(loaded.router()), to_json(model.router()));
  }
}

// sigmoid(Z) / (sum + 1e-8) by hand; what a sequence is said to have is the mean over its layers.
TEST_F(PolyRouterGoldenTest, WeightsWithoutAnExpert) {
  const RoutedModel model = compose("parameter");
  EXPECT_NEAR(model.bind({}, "").expert_weights.at(0), 0.5, 1e-7);  // the last row is zeros
  const auto trace = model.route("a", "colours");
  double mean = 0;
  for (const auto& [path, weights] : library_.load("expert_0").modules) {
    const at::Tensor z = expected_.read("z/" + path);
    const double first = 1 / (1 + std::exp(-z[1][0].item<double>())),
                 second = 1 / (1 + std::exp(-z[1][1].item<double>()));
    mean += first / (first + second) / 6;
    EXPECT_NEAR(trace.at(path)[0][0].item<double>(), first / (first + second), 1e-6) << path;
  }
  EXPECT_NEAR(model.bind({}, "colours").expert_weights.at(0), mean, 1e-6);
  EXPECT_NEAR(model.without_expert("expert_0").bind({}, "colours").expert_weights.at(0), 1, 1e-6);
}

TEST_F(PolyRouterGoldenTest, RefusesWhatDoesNotBelongTogether) {
  Artefact other = *library_.find_artefact("expert_3", "poly");
  other.settings["tasks"] = {"sums", "tastes"};
  library_.put_artefact("expert_3", "poly", other);
  EXPECT_EQ(error_message([&] { compose("output"); }),
            "the logits 'poly' of the experts 'expert_0' and 'expert_3' are of different tasks | experts of "
            "one model belong together: keep those of others in another library");
  other.settings["tasks"] = {"sums"};
  library_.put_artefact("expert_3", "poly", other);
  library_.remove("expert_0");
  EXPECT_EQ(
      error_message([&] { compose("output"); }),
      "logits 'poly' are not 2 finite numbers, one a task and one for all others | import the model again");
  library_.remove("expert_3");
  library_.add(test::golden_experts()[1]);
  EXPECT_NE(error_message([&] { compose("output"); }).find("expert 'expert_1' has no poly"),
            std::string::npos);
}

}  // namespace
}  // namespace quiver
