// Golden files: tests/golden/make_hidden_states.py.
#include <ATen/core/grad_mode.h>

#include <numeric>

#include "support/golden.h"
#include "support/tensors.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::ids_of;
using test::max_difference;

class HiddenStatesGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  at::Tensor golden(std::int64_t layer) const {
    const SafetensorsFile file = SafetensorsFile::open(test::golden_path("hidden_states.safetensors"));
    return file.read(std::string(GetParam()) + "." + std::to_string(layer));
  }

  static bool is_tiny(const std::string& name) { return name.starts_with("tiny"); }

  const Json expected_ = test::golden_json("hidden_states.json").at(GetParam());
  const std::shared_ptr<const BaseModel> base_ =
      is_tiny(GetParam()) ? test::golden_base(GetParam()) : test::load_family(GetParam());
  const std::vector<std::int32_t> ids_ = ids_of(expected_.at("ids"));
  const std::int64_t layers_ = expected_.at("layers");
  const double tolerance_ = 1e-4;  // ten times what the reference in float32 is from itself in float64
};

TEST_P(HiddenStatesGoldenTest, EveryLayerInAnyOrder) {
  std::vector<std::int64_t> layers(static_cast<std::size_t>(layers_) + 1);
  std::iota(layers.rbegin(), layers.rend(), 0);
  layers.push_back(1);
  const std::vector<at::Tensor> states = base_->hidden_states(batch_of({ids_}), layers);
  ASSERT_EQ(states.size(), layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i)
    EXPECT_LT(max_difference(states[i], golden(layers[i])), tolerance_) << "layer " << layers[i];
}

TEST_P(HiddenStatesGoldenTest, ALayerAloneAndRowsOfTwoSequences) {
  RaggedBatch batch = batch_of({ids_, ids_});
  const auto length = static_cast<std::int64_t>(ids_.size());
  batch.rows = {0, 5, length + 3, 2 * length - 1};
  const at::Tensor tokens = at::tensor({0L, 5L, 3L, length - 1});
  const at::NoGradGuard no_gradients;
  for (std::int64_t layer = 0; layer <= layers_; ++layer) {
    const std::int64_t wanted[] = {layer};
    const std::vector<at::Tensor> states = base_->hidden_states(batch, wanted);
    EXPECT_LT(max_difference(states.at(0), golden(layer).index_select(0, tokens)), tolerance_);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, HiddenStatesGoldenTest,
                         testing::Values("tiny_llama", "tiny_gpt_neo", "gpt2", "phi", "gemma3"),
                         [](const auto& instance) { return std::string(instance.param); });

// Notes which layers were run.
class Footprints : public LinearAdapter {
 public:
  at::Tensor apply(const LinearGroup& group, const at::Tensor&, at::Tensor y) const override {
    groups.push_back(group.index);
    return y;
  }
  mutable std::vector<std::int64_t> groups;
};

TEST(HiddenStates, NoLayerAboveTheLargestIsRun) {
  const auto base = test::golden_base("tiny_gpt_neo");
  const Footprints footprints;
  const std::int64_t layers[] = {0, 2, 1};
  base->hidden_states(batch_of({{5, 6, 7}}), layers, &footprints);
  EXPECT_EQ(footprints.groups, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_TRUE(base->hidden_states(batch_of({{5, 6, 7}}), {}, &footprints).empty());
  EXPECT_EQ(footprints.groups.size(), 8u);
}

TEST(HiddenStates, LayersThatAreNotThere) {
  const auto base = test::golden_base("tiny_llama");
  for (const std::int64_t layer : {-1L, 3L}) {
    const std::int64_t layers[] = {0, layer};
    EXPECT_EQ(test::error_message([&] { base->hidden_states(batch_of({{5}}), layers); }),
              "there are no hidden states of layer " + std::to_string(layer) +
                  ": the model has layers 0 to 2, the last one after its norm");
  }
}

TEST(HiddenStates, AreFloat32InEveryPrecision) {
  const auto base = BaseModel::load(test::golden_path("tiny_llama"), {.precision = Precision::kBFloat16});
  const std::int64_t layers[] = {0, 1, 2};
  for (const at::Tensor& state : base->hidden_states(batch_of({{5, 9}}), layers))
    EXPECT_EQ(state.scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace quiver
