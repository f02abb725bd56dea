// Base models in 8 bits against the same models in float32. Real 4-bit weights: quantised_e2e_test.cc.
#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::error_message;
using test::max_difference;

std::shared_ptr<const BaseModel> load(const std::string& name, Precision precision) {
  return BaseModel::load(test::golden_path(name), {.precision = precision});
}

class QuantisedModelTest : public testing::TestWithParam<const char*> {
 protected:
  const std::shared_ptr<const BaseModel> whole_ = test::golden_base(GetParam());
  const std::shared_ptr<const BaseModel> q8_ = load(GetParam(), Precision::kQ8);
  const std::vector<std::int32_t> first_ = {5, 17, 300, 2, 9, 41, 7}, second_ = {11, 250};
};

// Weights and inputs are rounded to a 254th of their block's range, through two layers of random weights,
// whose attention is sharp.
TEST_P(QuantisedModelTest, LogitsAreNearFloat32) {
  const RaggedBatch batch = batch_of({first_, second_});
  const at::Tensor expected = whole_->logits(whole_->forward(batch));
  const at::Tensor difference = (q8_->logits(q8_->forward(batch)) - expected).abs();
  const double size = expected.abs().max().item<double>();
  EXPECT_LT(difference.max().item<double>(), 0.1 * size);
  EXPECT_LT(difference.mean().item<double>(), 0.02 * size);
}

TEST_P(QuantisedModelTest, IsTheSameModel) {
  EXPECT_EQ(q8_->fingerprint(), whole_->fingerprint());
  EXPECT_EQ(q8_->precision(), Precision::kQ8);
  EXPECT_EQ(q8_->groups().size(), whole_->groups().size());
}

TEST_P(QuantisedModelTest, RowsDoNotDependOnTheBatch) {
  const at::Tensor together = q8_->forward(batch_of({first_, second_}));
  EXPECT_LT(max_difference(q8_->forward(batch_of({second_})), together.slice(0, 7)), 1e-5);
}

// Attention sums in another order through a cache, which now and then moves an input over the edge to the
// next of its 255 steps.
TEST_P(QuantisedModelTest, CachedStepsGiveTheWholeForward) {
  const at::Tensor whole = q8_->logits(q8_->forward(batch_of({first_})));
  SequenceCache cache = q8_->make_cache(7);
  SequenceCache* const caches[] = {&cache};
  q8_->forward(batch_of({{first_.begin(), first_.begin() + 4}}), nullptr, caches);
  const double size = whole.abs().max().item<double>();
  for (std::size_t i = 4; i < first_.size(); ++i) {
    const at::Tensor step = q8_->logits(q8_->forward(batch_of({{first_[i]}}), nullptr, caches));
    EXPECT_LT(max_difference(step[0], whole[static_cast<std::int64_t>(i)]), 0.01 * size);
  }
}

TEST_P(QuantisedModelTest, FourBitsNeedAFileThatHasThem) {
  EXPECT_EQ(
      error_message([] { load(GetParam(), Precision::kQ4); }),
      "precision q4 keeps a file's 4-bit tensors, and the base model has none in Q4_0 or Q4_1 | use q8, "
      "or a GGUF file in Q4_0 or Q4_1");
}

INSTANTIATE_TEST_SUITE_P(Models, QuantisedModelTest,
                         testing::Values("tiny_llama", "tiny_llama_untied", "tiny_gpt_neo"),
                         [](const auto& instance) { return std::string(instance.param); });

// Multiplies every layer's output by a parameter, as an adapter in training would.
class Trainable : public LinearAdapter {
 public:
  at::Tensor apply(const LinearGroup&, const at::Tensor&, at::Tensor y) const override { return y * factor_; }

 private:
  at::Tensor factor_ = at::ones({1}).requires_grad_(true);
};

TEST(QuantisedModel, DoesNotPassGradients) {
  const auto base = load("tiny_llama", Precision::kQ8);
  const at::AutoGradMode gradients(true);
  const Trainable adapter;
  EXPECT_EQ(error_message([&] {
              base->forward(batch_of({{1, 2, 3}}), &adapter);
            }),
            "gradients do not pass through quantised weights | train in float32; the expert then runs on a "
            "quantised base as well");
}

}  // namespace
}  // namespace quiver
