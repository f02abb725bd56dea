// Golden files: tests/golden/make_tiny_models.py.
#include <ATen/core/grad_mode.h>

#include <list>

#include "support/golden.h"
#include "support/tensors.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::ids_of;
using test::max_difference;

constexpr double kLogitTolerance = 1e-4;  // ten times what the reference in float32 is from itself in float64

class ModelGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  const Json expected_ = test::golden_json("tiny_models.json").at(GetParam());
  const std::shared_ptr<const BaseModel> base_ = test::golden_base(GetParam());
  const std::vector<std::int32_t> ids_ = ids_of(expected_.at("ids"));

  at::Tensor golden_logits() const {
    const SafetensorsFile file = SafetensorsFile::open(test::golden_path("tiny_models.safetensors"));
    return file.read(expected_.value("logits_of", GetParam()) + std::string(".logits"));
  }

  at::Tensor logits(const RaggedBatch& batch, std::span<SequenceCache* const> caches = {}) const {
    const at::NoGradGuard no_gradients;
    return base_->logits(base_->forward(batch, nullptr, caches));
  }
};

TEST_P(ModelGoldenTest, Logits) {
  EXPECT_LT(max_difference(logits(batch_of({ids_})), golden_logits()), kLogitTolerance);
}

TEST_P(ModelGoldenTest, LogitsOfAForwardPassThatRecordsGradients) {
  const at::AutoGradMode gradients(true);
  EXPECT_LT(max_difference(base_->logits(base_->forward(batch_of({ids_}))), golden_logits()),
            kLogitTolerance);
}

TEST_P(ModelGoldenTest, GreedyContinuationWithACache) {
  SequenceCache cache = base_->make_cache(64);
  SequenceCache* const caches[] = {&cache};
  std::vector<std::int32_t> next = ids_, produced;
  for (const std::size_t count = expected_.at("greedy_ids").size(); produced.size() < count;) {
    const at::Tensor last = logits(batch_of({next}), caches)[-1];
    next = {static_cast<std::int32_t>(last.argmax().item<std::int64_t>())};
    produced.push_back(next[0]);
  }
  EXPECT_EQ(produced, ids_of(expected_.at("greedy_ids")));
  EXPECT_EQ(cache.length(), static_cast<std::int64_t>(ids_.size() + produced.size()) - 1);
}

TEST_P(ModelGoldenTest, PiecesThroughACacheGiveTheWholesLogits) {
  const std::vector<std::size_t> pieces = {1, 13, 1, 1, 8};
  SequenceCache cache = base_->make_cache(24);
  SequenceCache* const caches[] = {&cache};
  std::vector<at::Tensor> rows;
  auto begin = ids_.begin();
  for (const std::size_t piece : pieces) {
    rows.push_back(logits(batch_of({{begin, begin + static_cast<std::ptrdiff_t>(piece)}}), caches));
    begin += static_cast<std::ptrdiff_t>(piece);
  }
  EXPECT_LT(max_difference(at::cat(rows), golden_logits()), kLogitTolerance);
}

TEST_P(ModelGoldenTest, AForkContinuesAsItsOriginalWould) {
  SequenceCache cache = base_->make_cache(10);
  SequenceCache* const caches[] = {&cache};
  logits(batch_of({{ids_.begin(), ids_.begin() + 10}}), caches);
  SequenceCache fork = cache.fork(24);
  EXPECT_EQ(fork.length(), 10);
  EXPECT_EQ(fork.capacity(), 24);
  SequenceCache* const forks[] = {&fork};
  EXPECT_LT(max_difference(logits(batch_of({{ids_.begin() + 10, ids_.end()}}), forks),
                           golden_logits().slice(0, 10)),
            kLogitTolerance);
  EXPECT_EQ(cache.length(), 10);
}

TEST_P(ModelGoldenTest, SequencesOfABatchDoNotSeeEachOther) {
  const std::vector<std::vector<std::int32_t>> sequences = {
      {ids_.begin() + 5, ids_.begin() + 6}, ids_, {}, {ids_.rbegin(), ids_.rend()}};
  const at::Tensor together = logits(batch_of(sequences));
  EXPECT_LT(max_difference(together.slice(0, 1, 25), golden_logits()), kLogitTolerance);
  EXPECT_LT(max_difference(together.slice(0, 0, 1), logits(batch_of({sequences[0]}))), kLogitTolerance);
  EXPECT_LT(max_difference(together.slice(0, 25), logits(batch_of({sequences[3]}))), kLogitTolerance);

  std::list<SequenceCache> owned;
  std::vector<SequenceCache*> caches;
  for (std::size_t s = 0; s < sequences.size(); ++s)
    caches.push_back(&owned.emplace_back(base_->make_cache(24)));
  EXPECT_LT(max_difference(logits(batch_of(sequences), caches), together), kLogitTolerance);
}

TEST_P(ModelGoldenTest, Tokenizer) {
  const Json expected = test::golden_json("tiny_models.json").at("tokenizer");
  EXPECT_EQ(base_->tokenizer().encode(expected.at("text").get<std::string>()).ids,
            ids_of(expected.at("ids")));
  EXPECT_EQ(base_->eos_id(), 0);
  EXPECT_EQ(base_->stop_ids(), std::vector<std::int32_t>{0});
}

// 8 bits of mantissa on logits of deviation 2, through two to four layers: a few per cent.
TEST_P(ModelGoldenTest, BFloat16StaysNear) {
  const auto base = BaseModel::load(test::golden_path(GetParam()), {.precision = Precision::kBFloat16});
  EXPECT_EQ(base->fingerprint(), base_->fingerprint());
  const at::NoGradGuard no_gradients;
  const at::Tensor near = base->logits(base->forward(batch_of({ids_})));
  EXPECT_EQ(near.scalar_type(), at::kBFloat16);
  const at::Tensor difference = near.to(at::kFloat) - golden_logits();
  EXPECT_LT(difference.abs().max().item<double>(), 1.0);
  EXPECT_LT(difference.square().mean().sqrt().item<double>(), 0.1);

  SequenceCache cache = base->make_cache(24);
  SequenceCache* const caches[] = {&cache};
  base->forward(batch_of({{ids_.begin(), ids_.begin() + 20}}), nullptr, caches);
  const at::Tensor rest = base->forward(batch_of({{ids_.begin() + 20, ids_.end()}}), nullptr, caches);
  EXPECT_LT(max_difference(base->logits(rest), near.slice(0, 20)), 1.0);
}

INSTANTIATE_TEST_SUITE_P(Models, ModelGoldenTest,
                         testing::Values("tiny_llama", "tiny_llama_untied", "tiny_llama_sharded",
                                         "tiny_gpt_neo"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(ModelGolden, TheFingerprintFollowsTheWeightsNotTheFiles) {
  EXPECT_EQ(test::golden_base("tiny_llama")->fingerprint(),
            test::golden_base("tiny_llama_sharded")->fingerprint());
  EXPECT_NE(test::golden_base("tiny_llama")->fingerprint(),
            test::golden_base("tiny_llama_untied")->fingerprint());
}

TEST(ModelGolden, SlotsCarryTheHuggingFacePaths) {
  const std::vector<LinearSlot>& slots = test::golden_base("tiny_llama")->slots();
  ASSERT_EQ(slots.size(), 14u);
  EXPECT_EQ(slots[9].path, "model.layers.1.self_attn.v_proj");
  EXPECT_EQ(slots[9].layer, 1);
  EXPECT_EQ(slots[9].in, 32);
  EXPECT_EQ(slots[9].out, 16);     // 2 of 4 heads have keys and values of their own
  EXPECT_EQ(slots[9].column, 48);  // after 32 of q and 16 of k
  EXPECT_EQ(test::golden_base("tiny_llama")->groups()[4].out, 64);
  EXPECT_EQ(test::golden_base("tiny_gpt_neo")->slots()[5].path, "transformer.h.0.mlp.c_proj");
}

}  // namespace
}  // namespace quiver
