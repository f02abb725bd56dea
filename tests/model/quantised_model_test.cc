// Base models rounded to 8 bits against the same models in float32. A file's own blocks: blocks_e2e_test.cc.
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

// Weights are rounded to a 254th of their block's range, through two layers of random weights, whose
// attention is sharp.
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

TEST_P(QuantisedModelTest, CachedStepsGiveTheWholeForward) {
  const at::Tensor whole = q8_->logits(q8_->forward(batch_of({first_})));
  SequenceCache cache = q8_->make_cache(7);
  SequenceCache* const caches[] = {&cache};
  q8_->forward(batch_of({{first_.begin(), first_.begin() + 4}}), nullptr, caches);
  const double size = whole.abs().max().item<double>();
  for (std::size_t i = 4; i < first_.size(); ++i) {
    const at::Tensor step = q8_->logits(q8_->forward(batch_of({{first_[i]}}), nullptr, caches));
    EXPECT_LT(max_difference(step[0], whole[static_cast<std::int64_t>(i)]), 1e-5 * size);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, QuantisedModelTest,
                         testing::Values("tiny_llama", "tiny_llama_untied", "tiny_gpt_neo"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace quiver
