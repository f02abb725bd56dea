// SmolLM2-135M-Instruct in the blocks of its GGUF file (layers Q4_1, embedding Q8_0), against its floats.
#include "model/decoder.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::max_difference;

class BlocksOfSmolLm2Test : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(std::filesystem::exists(test::smollm2_path()))
        << test::smollm2_path() << " is not there: run `quiver fetch smollm2-135m`";
    const std::unique_ptr<const WeightSource> source = open_weight_source(test::smollm2_path());
    std::unique_ptr<const BaseModel::Parts> parts = load_parts(*source, {});
    auto floats = std::make_unique<BaseModel::Parts>(*parts);
    floats->embedding = floats->embedding.to_dense();
    to_floats(floats->head);
    for (DecoderLayer& layer : floats->layers) {
      for (StackedLinear* linear : {&layer.qkv, &layer.attention_out, &layer.mlp_in, &layer.mlp_out})
        to_floats(*linear);
    }
    blocks_ = std::make_shared<const BaseModel>(std::move(parts));
    floats_ = std::make_shared<const BaseModel>(std::move(floats));
  }
  static void TearDownTestSuite() {
    blocks_.reset();
    floats_.reset();
  }

  static void to_floats(StackedLinear& linear) {
    ASSERT_FALSE(linear.weight().is_dense());
    linear = StackedLinear(linear.weight().to_dense(), linear.bias());
  }

  std::vector<std::int32_t> ids_ =
      blocks_->tokenizer()
          .encode(
              "Air pollution is harmful to human beings and other living things. About 22 million people die "
              "from air pollution each year. Question: What does it increase the risk of?")
          .ids;

  inline static std::shared_ptr<const BaseModel> blocks_, floats_;
};

// A library multiplies many rows with the head's pieces, and might add up in another order than with the
// whole.
TEST_F(BlocksOfSmolLm2Test, GiveTheBitsOfTheFloats) {
  for (const std::size_t sequences : {1, 8}) {
    const RaggedBatch batch = batch_of(std::vector(sequences, ids_));
    const at::Tensor hidden = blocks_->forward(batch);
    EXPECT_TRUE(at::equal(hidden, floats_->forward(batch))) << sequences;
    EXPECT_LT(max_difference(blocks_->logits(hidden), floats_->logits(hidden)), 1e-3);  // of size 20
    const at::Tensor last = hidden.slice(0, -1);
    EXPECT_TRUE(at::equal(blocks_->logits(last), floats_->logits(last)));
  }
}

TEST_F(BlocksOfSmolLm2Test, PrefillAndCachedStepsGiveTheWholeForward) {
  const at::Tensor whole = blocks_->logits(blocks_->forward(batch_of({ids_})));
  SequenceCache cache = blocks_->make_cache(static_cast<std::int64_t>(ids_.size()));
  SequenceCache* const caches[] = {&cache};
  const std::size_t prefill = ids_.size() - 8;
  blocks_->forward(batch_of({{ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(prefill)}}), nullptr,
                   caches);
  for (std::size_t i = prefill; i < ids_.size(); ++i) {
    const at::Tensor step = blocks_->logits(blocks_->forward(batch_of({{ids_[i]}}), nullptr, caches));
    EXPECT_LT(max_difference(step[0], whole[static_cast<std::int64_t>(i)]), 1e-3) << i;  // of size 20
  }
}

TEST_F(BlocksOfSmolLm2Test, AreWhatEveryPrecisionButBFloat16Keeps) {
  const at::Tensor expected = blocks_->logits(blocks_->forward(batch_of({ids_})));
  const auto base = BaseModel::load(test::smollm2_path(), {.precision = Precision::kQ8});
  EXPECT_EQ(base->fingerprint(), blocks_->fingerprint());
  EXPECT_TRUE(at::equal(base->logits(base->forward(batch_of({ids_}))), expected));
  const auto halves =
      load_parts(*open_weight_source(test::smollm2_path()), {.precision = Precision::kBFloat16});
  EXPECT_TRUE(halves->head.weight().is_dense());
  EXPECT_TRUE(halves->layers.front().qkv.weight().is_dense());
}

}  // namespace
}  // namespace quiver
