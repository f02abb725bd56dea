// Golden files: tests/golden/make_routed_logits.py.
#include <ATen/core/grad_mode.h>

#include "modular/routed_fixture.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::ids_of;
using test::max_difference;

constexpr double kLogitTolerance = 1e-4;   // ten times what float32 differs from float64 in the reference
constexpr double kWeightTolerance = 1e-5;  // of routing weights, which lie in [0, 1]

class RoutedGoldenTest : public testing::Test {
 protected:
  RouterOptions router_of(const Json& one, const std::string& combine) const {
    RouterOptions router = parse_router(one.at("router").get<std::string>());
    router.top_k = one.value("top_k", 0);
    router.temperature = one.value("temperature", 0.0);
    router.combine = parse_combine(combine);
    return router;
  }

  at::Tensor logits(const RoutedModel& model, const std::string& task) const {
    const at::NoGradGuard no_gradients;
    const std::string tasks[] = {task};
    return model.base().logits(model.forward(batch_of({ids_}), tasks));
  }

  const Json golden_ = test::golden_json("routed_logits.json");
  const std::vector<std::int32_t> ids_ = ids_of(golden_.at("ids"));
  const SafetensorsFile expected_ = SafetensorsFile::open(test::golden_path("routed_logits.safetensors"));
  test::GoldenLibrary library_;
};

TEST_F(RoutedGoldenTest, LogitsOfEveryRouterAndCombination) {
  std::size_t compared = 0;
  for (const Json& one : golden_.at("cases")) {
    const auto name = one.at("name").get<std::string>();
    for (const Json& combine : one.at("combine")) {
      SCOPED_TRACE(name + ", " + combine.get<std::string>());
      const RoutedModel model = library_.compose(router_of(one, combine.get<std::string>()));
      const std::string task = "task_" + std::to_string(one.value("expert", 0));
      EXPECT_LT(max_difference(logits(model, task), expected_.read(name + "/logits")), kLogitTolerance);
      ++compared;
    }
  }
  EXPECT_GE(compared, 20u);
}

TEST_F(RoutedGoldenTest, TheBaseAlone) {
  EXPECT_LT(max_difference(logits(library_.compose("base"), ""), expected_.read("base/logits")),
            kLogitTolerance);
  EXPECT_LT(
      max_difference(logits(RoutedModel(test::golden_base("tiny_llama")), ""), expected_.read("base/logits")),
      kLogitTolerance);
}

TEST_F(RoutedGoldenTest, OneExpertByName) {
  EXPECT_LT(
      max_difference(logits(library_.compose("expert:expert_2"), "any"), expected_.read("oracle_2/logits")),
      kLogitTolerance);
}

TEST_F(RoutedGoldenTest, TheOraclesDefaultExpert) {
  RouterOptions router = parse_router("oracle");
  router.default_expert = "expert_1";
  const RoutedModel model = library_.compose(router);
  EXPECT_LT(max_difference(logits(model, "unheard of"), expected_.read("oracle_1/logits")), kLogitTolerance);
  EXPECT_LT(max_difference(logits(model, "task_3"), expected_.read("oracle_3/logits")), kLogitTolerance);
}

TEST_F(RoutedGoldenTest, AnAdapterThatPeftSaved) {
  ExpertLibrary imports = ExpertLibrary::create((library_ / "imports").string());
  imports.add(load_expert(test::golden_path("tiny_llama_expert")));
  const RoutedModel model = RoutedModel::compose(test::golden_base("tiny_llama"), imports,
                                                 parse_router("expert:" + imports.names().at(0)));
  EXPECT_LT(max_difference(logits(model, ""), expected_.read("peft_expert/logits")), kLogitTolerance);
}

// A prototype's sign means nothing to Arrow.
TEST_F(RoutedGoldenTest, ArrowWithPrototypesTurnedAround) {
  for (const std::string expert : {"expert_0", "expert_3"}) {
    Artefact artefact = *library_.library().find_artefact(expert, "arrow");
    for (auto& [path, prototype] : artefact.tensors) prototype = prototype.neg();
    library_.library().put_artefact(expert, "arrow", artefact);
  }
  RouterOptions router = parse_router("arrow");
  router.top_k = 2;
  router.combine = Combine::kOutput;
  EXPECT_LT(max_difference(logits(library_.compose(router), ""),
                           expected_.read("arrow_top2_temperature1.0_output/logits")),
            kLogitTolerance);
}

TEST_F(RoutedGoldenTest, RouteGivesTheWeights) {
  const auto [base, text] = test::spell("tiny_llama", ids_);
  ASSERT_EQ(base->tokenizer().encode(text).ids, ids_);
  for (const Json& one : golden_.at("cases")) {
    const auto name = one.at("name").get<std::string>();
    if (one.at("router") != "arrow" && one.at("router") != "phatgoose") continue;
    SCOPED_TRACE(name);
    const RoutedModel model = RoutedModel::compose(
        base, library_.library(), router_of(one, one.at("combine").at(0).get<std::string>()));
    const std::map<std::string, at::Tensor> weights = model.route(text);
    EXPECT_EQ(weights.size(), 6u);
    for (const auto& [path, slot_weights] : weights) {
      EXPECT_LT(max_difference(slot_weights, expected_.read(name + "/weights/" + path)), kWeightTolerance)
          << path;
    }
  }
}

// The same text in one batch with others: rows keep their tasks apart.
TEST_F(RoutedGoldenTest, ABatchThatMixesTasks) {
  const RoutedModel model = library_.compose("oracle");
  const std::vector<std::string> tasks = {"task_2", "task_0", "task_0", "task_3", "task_1"};
  const at::NoGradGuard no_gradients;
  const at::Tensor together =
      model.base().logits(model.forward(batch_of({ids_, ids_, ids_, ids_, ids_}), tasks));
  for (std::size_t s = 0; s < tasks.size(); ++s) {
    const at::Tensor own = together.narrow(0, static_cast<std::int64_t>(s * ids_.size()),
                                           static_cast<std::int64_t>(ids_.size()));
    EXPECT_LT(max_difference(own, expected_.read("oracle_" + tasks[s].substr(5) + "/logits")),
              kLogitTolerance);
  }
}

}  // namespace
}  // namespace quiver
