// Golden files: tests/golden/make_average_activation.py, the formulas of mttl's avg_act_router.
#include <ATen/core/grad_mode.h>

#include "modular/routed_fixture.h"
#include "routing/statistics.h"
#include "support/tensors.h"
#include "transforms/slot_inputs.h"

namespace quiver {
namespace {

using test::batch_of;
using test::golden_base;
using test::ids_of;
using test::max_difference;

class AverageActivationGoldenTest : public testing::Test {
 protected:
  // The statistics of an expert, of the golden prompts.
  std::map<std::string, at::Tensor> means(std::size_t number, const Expert& expert) const {
    const at::NoGradGuard no_gradients;
    SlotInputs inputs(*golden_base("tiny_llama"), expert);
    std::vector<std::vector<std::int32_t>> prompts;
    for (const Json& ids : golden_.at("prompts").at(number)) prompts.push_back(ids_of(ids));
    const RaggedBatch batch = batch_of(prompts);
    const std::int64_t depth[] = {inputs.depth()};
    inputs.begin(batch);
    golden_base("tiny_llama")->hidden_states(batch, depth, &inputs);
    return inputs.means();
  }

  const Json golden_ = test::golden_json("average_activation.json");
  const SafetensorsFile expected_ =
      SafetensorsFile::open(test::golden_path("average_activation.safetensors"));
};

TEST_F(AverageActivationGoldenTest, PrototypesAreMttlsHiddenStates) {
  const std::vector<Expert> experts = test::golden_experts();
  for (std::size_t e = 0; e < experts.size(); ++e) {
    for (const auto& [path, mean] : means(e, experts[e])) {
      const at::Tensor prototype = mean / mean.norm();
      EXPECT_LT(max_difference(prototype, expected_.read(experts[e].info.name + "/" + path)), 1e-5) << path;
    }
  }
}

TEST_F(AverageActivationGoldenTest, LogitsAndWeightsWithEveryNorm) {
  test::GoldenLibrary library;
  const std::vector<Expert> experts = test::golden_experts();
  for (std::size_t e = 0; e < experts.size(); ++e) {
    Artefact artefact{{{"base_model", "tiny_llama"},
                       {"base_fingerprint", golden_base("tiny_llama")->fingerprint()},
                       {"tasks", experts[e].info.tasks},
                       {"layers", Json::array()}},
                      {{kStatisticsTasksKey, at::zeros({5}, at::kLong)}},
                      kOfNoWeights};
    for (const auto& [path, mean] : means(e, experts[e])) artefact.tensors[statistics_input_key(path)] = mean;
    library.library().put_artefact(experts[e].info.name, kStatisticsKind, artefact);
  }
  const test::SpelledModel spelled = test::spell("tiny_llama", ids_of(golden_.at("ids")));
  for (const Json& one : golden_.at("cases")) {
    const auto name = one.at("name").get<std::string>();
    SCOPED_TRACE(name);
    RouterOptions router = parse_router("average_activation", Compat::kMttl);
    if (name != "defaults") {
      router.top_k = one.at("top_k").get<int>();
      router.temperature = one.at("temperature").get<double>();
    }
    for (const char* norm : {"input_norm", "proto_norm"})
      set_router_setting(router, norm, one.at(norm).get<std::string>());
    router.compat = Compat::kNone;  // every expert with its own scale, as in the golden file
    const RoutedModel model = library.compose(router);
    const at::NoGradGuard no_gradients;
    const at::Tensor logits = model.base().logits(model.forward(batch_of({ids_of(golden_.at("ids"))})));
    EXPECT_LT(max_difference(logits, expected_.read(name + "/logits")), 1e-4);
    const RoutedModel readable = RoutedModel::compose(spelled.base, library.library(), router);
    const auto trace = readable.route(spelled.text);
    ASSERT_EQ(trace.size(), 6u);
    for (const auto& [path, weights] : trace)
      EXPECT_LT(max_difference(weights, expected_.read(name + "/weights/" + path)), 1e-5) << path;
  }
}

}  // namespace
}  // namespace quiver
