// SmolLM2-135M-Instruct with the weights of its GGUF file as they are (layers Q4_1, embedding Q8_0), and in 8
// bits.
#include "model/decoder.h"
#include "model/weight_source.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::batch_of;

class QuantisedSmolLm2Test : public testing::TestWithParam<Precision> {
 protected:
  static std::shared_ptr<const BaseModel> load(Precision precision) {
    static std::map<Precision, std::shared_ptr<const BaseModel>> loaded;
    std::shared_ptr<const BaseModel>& base = loaded[precision];
    if (!base) base = BaseModel::load(test::smollm2_path(), {.precision = precision});
    return base;
  }

  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(test::smollm2_path()))
        << test::smollm2_path() << " is not there: run `quiver fetch smollm2-135m`";
    whole_ = load(Precision::kFloat32);
    quantised_ = load(GetParam());
    ids_ = whole_->tokenizer()
               .encode(
                   "Air pollution is harmful to human beings and other living things. About 22 million "
                   "people die from air pollution each year. Question: What does it increase the risk of?")
               .ids;
  }

  std::shared_ptr<const BaseModel> whole_, quantised_;
  std::vector<std::int32_t> ids_;
};

// Logits are of size 20. In q4 the weights are those of float32, so only inputs are rounded.
TEST_P(QuantisedSmolLm2Test, LogitsAreNearFloat32) {
  const at::Tensor expected = whole_->logits(whole_->forward(batch_of({ids_})));
  const at::Tensor logits = quantised_->logits(quantised_->forward(batch_of({ids_})));
  const at::Tensor difference = (logits - expected).abs();
  EXPECT_LT(difference.max().item<double>(), 2.0);
  EXPECT_LT(difference.mean().item<double>(), 0.4);
  EXPECT_GT((logits.argmax(1) == expected.argmax(1)).to(at::kFloat).mean().item<double>(), 0.9);
}

TEST_P(QuantisedSmolLm2Test, HasTheFingerprintOfTheFloats) {
  EXPECT_EQ(quantised_->fingerprint(), whole_->fingerprint());
}

// Cached attention sums in another order, and a last bit can change the 8-bit rounding of an input: one
// step's largest difference has the tolerance of LogitsAreNearFloat32, the average over the steps half of it.
TEST_P(QuantisedSmolLm2Test, PrefillAndCachedStepsGiveTheWholeForward) {
  const at::Tensor whole = quantised_->logits(quantised_->forward(batch_of({ids_})));
  SequenceCache cache = quantised_->make_cache(static_cast<std::int64_t>(ids_.size()));
  SequenceCache* const caches[] = {&cache};
  const std::size_t prefill = ids_.size() - 8;
  quantised_->forward(batch_of({{ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(prefill)}}),
                      nullptr, caches);
  std::size_t agreeing = 0;
  double largest = 0, mean = 0;  // of a step, averaged
  for (std::size_t i = prefill; i < ids_.size(); ++i) {
    const at::Tensor step = quantised_->logits(quantised_->forward(batch_of({{ids_[i]}}), nullptr, caches));
    const at::Tensor difference = (step[0] - whole[static_cast<std::int64_t>(i)]).abs();
    EXPECT_LT(difference.max().item<double>(), 2.0) << i;
    largest += difference.max().item<double>() / 8;
    mean += difference.mean().item<double>() / 8;
    agreeing += step[0].argmax().equal(whole[static_cast<std::int64_t>(i)].argmax()) ? 1 : 0;
  }
  EXPECT_LT(largest, 1.0);
  EXPECT_LT(mean, 0.2);
  EXPECT_GE(agreeing, 7U) << "of 8 most likely tokens";
}

INSTANTIATE_TEST_SUITE_P(Precisions, QuantisedSmolLm2Test, testing::Values(Precision::kQ8, Precision::kQ4),
                         [](const auto& instance) { return precision_name(instance.param); });

// In float32 every layer keeps the blocks of the file beside its floats; their products are the same bits, so
// only this shows that they are there.
TEST(StoredBlocks, AreKeptBesideTheFloats) {
  if (!BlockMatrix::supported()) GTEST_SKIP() << "this processor has no AVX2";
  const std::unique_ptr<const WeightSource> source = open_weight_source(test::smollm2_path());
  const std::unique_ptr<const BaseModel::Parts> floats = load_parts(*source, {});
  EXPECT_TRUE(floats->head.has_blocks());
  for (const DecoderLayer& layer : floats->layers) {
    EXPECT_TRUE(layer.qkv.has_blocks());
    EXPECT_TRUE(layer.attention_out.has_blocks());
    EXPECT_TRUE(layer.mlp_in.has_blocks());
    EXPECT_TRUE(layer.mlp_out.has_blocks());
  }
  const auto halves = load_parts(*source, {.precision = Precision::kBFloat16});
  EXPECT_FALSE(halves->head.has_blocks());
  EXPECT_FALSE(halves->layers.front().qkv.has_blocks());
}

}  // namespace
}  // namespace quiver
