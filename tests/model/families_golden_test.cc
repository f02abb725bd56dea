// Golden files: tests/golden/make_families.py.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <list>

#include "kernels/loss.h"
#include "support/golden.h"
#include "support/tensors.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::ids_of;
using test::load_family;
using test::max_difference;

// "gpt2.gguf" has the golden values of "gpt2".
std::string model_of(const std::string& name) { return name.substr(0, name.find('.')); }

class FamiliesGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  FamiliesGoldenTest() {
    following_ = ids_of(expected_.at("following"));
    text_ = prompt_;
    text_.insert(text_.end(), following_.begin(), following_.end());
  }

  at::Tensor golden(const std::string& part) const {
    const SafetensorsFile file = SafetensorsFile::open(test::golden_path("families.safetensors"));
    return file.read(model_of(GetParam()) + "." + part);
  }

  at::Tensor kept_rows(const at::Tensor& logits, const char* which) const {
    return logits.index_select(0, at::tensor(expected_.at(which).get<std::vector<std::int64_t>>()));
  }

  at::Tensor logits(const std::vector<std::int32_t>& ids, std::span<SequenceCache* const> caches = {}) const {
    const at::NoGradGuard no_gradients;
    return base_->logits(base_->forward(batch_of({ids}), nullptr, caches));
  }

  const std::shared_ptr<const BaseModel> base_ = load_family(GetParam());
  const Json expected_ = test::golden_json("families.json").at(model_of(GetParam()));
  const double tolerance_ = 1e-4 * expected_.at("range").get<double>();
  const std::vector<std::int32_t> prompt_ = ids_of(expected_.at("ids"));
  std::vector<std::int32_t> following_, text_;  // the text: the prompt and what follows it
};

TEST_P(FamiliesGoldenTest, Prefill) {
  EXPECT_LT(max_difference(kept_rows(logits(prompt_), "rows"), golden("prompt")), tolerance_);
}

TEST_P(FamiliesGoldenTest, TheWholeText) {
  EXPECT_LT(max_difference(kept_rows(logits(text_), "rows"), golden("whole")), tolerance_);
}

TEST_P(FamiliesGoldenTest, AForwardPassThatRecordsGradients) {
  const at::AutoGradMode gradients(true);
  const at::Tensor rows = base_->logits(base_->forward(batch_of({text_})));
  EXPECT_LT(max_difference(kept_rows(rows, "rows"), golden("whole")), tolerance_);
}

TEST_P(FamiliesGoldenTest, OnlyTheWantedRows) {
  RaggedBatch batch = batch_of({text_, prompt_});
  const std::vector<std::int64_t> rows = {1, static_cast<std::int64_t>(text_.size()) - 1, batch.tokens() - 1};
  const at::Tensor expected = base_->forward(batch).index_select(0, at::tensor(rows));
  for (const bool cached : {false, true}) {
    std::list<SequenceCache> owned;
    std::vector<SequenceCache*> caches;
    for (int sequence = 0; cached && sequence < 2; ++sequence)
      caches.push_back(&owned.emplace_back(base_->make_cache(128)));
    batch.rows = rows;
    const at::Tensor wanted = base_->forward(batch, nullptr, caches);
    EXPECT_LT(max_difference(wanted, expected), 1e-5 * std::max(1.0, expected.abs().max().item<double>()));
    batch.rows.emplace();
    EXPECT_EQ(base_->forward(batch).size(0), 0);
  }
}

TEST_P(FamiliesGoldenTest, StepsWithACache) {
  SequenceCache cache = base_->make_cache(96);
  SequenceCache* const caches[] = {&cache};
  logits(prompt_, caches);
  std::vector<at::Tensor> rows;
  std::vector<std::int32_t> ids = prompt_;
  for (const std::int32_t id : following_) {
    ids.push_back(id);
    std::vector<std::int32_t> next = {id};
    if (cache.length() == base_->shape().cache_boundary) {
      cache = base_->make_cache(96);
      next = ids;
    }
    rows.push_back(logits(next, caches)[-1]);
  }
  EXPECT_LT(max_difference(kept_rows(at::stack(rows), "steps"), golden("steps")), tolerance_);
}

// 8 bits of mantissa on logits within 17 to 24 of each other.
TEST_P(FamiliesGoldenTest, BFloat16StaysNear) {
  const auto base = load_family(GetParam(), Precision::kBFloat16);
  EXPECT_EQ(base->fingerprint(), base_->fingerprint());
  const at::NoGradGuard no_gradients;
  const at::Tensor near = base->logits(base->forward(batch_of({text_}))).to(at::kFloat);
  const at::Tensor difference = kept_rows(near, "rows") - golden("whole");
  EXPECT_LT(difference.square().mean().sqrt().item<double>(), 0.2);
}

// Adds x W^T to the output of every linear group, W trainable.
class TrainableUpdate : public LinearAdapter {
 public:
  explicit TrainableUpdate(const BaseModel& base, double scale) {
    for (const LinearGroup& group : base.groups()) {
      const auto seed = static_cast<std::uint64_t>(group.index);
      weights_.push_back(test::random_tensor({group.out, group.in}, seed) * scale);
      weights_.back().requires_grad_(true);
    }
  }
  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override {
    return y + at::matmul(x, weights_[static_cast<std::size_t>(group.index)].t());
  }
  std::vector<at::Tensor> weights_;  // per group (out, in)
};

// The derivative along W at W: float32 losses of about 200 differ by about 1 over this step, and rounding
// leaves three digits.
TEST_P(FamiliesGoldenTest, GradientsThroughEveryGroupMatchFiniteDifferences) {
  constexpr double kScale = 0.05, kStep = 0.02;
  const at::Tensor targets = at::tensor(std::vector<std::int64_t>(prompt_.begin() + 1, prompt_.end()));
  const auto loss = [&](const TrainableUpdate& update) {
    const at::Tensor hidden = base_->forward(batch_of({prompt_}), &update);
    return base_->cross_entropy(hidden.slice(0, 0, -1).contiguous(), targets);
  };
  const TrainableUpdate update(*base_, kScale);
  {
    const at::AutoGradMode gradients(true);
    loss(update).backward();
  }
  const at::NoGradGuard no_gradients;
  for (const std::size_t kind : {0u, 1u, 2u, 3u}) {
    double derivative = 0;
    TrainableUpdate above(*base_, kScale), below(*base_, kScale);
    for (std::size_t group = kind; group < update.weights_.size(); group += 4) {
      const at::Tensor& weight = update.weights_[group];
      derivative += (weight.grad() * weight).sum().item<double>();
      above.weights_[group] = weight * (1 + kStep);
      below.weights_[group] = weight * (1 - kStep);
    }
    const double difference = (loss(above) - loss(below)).item<double>() / (2 * kStep);
    EXPECT_NEAR(derivative, difference, 0.02 * std::abs(difference) + 0.05) << "group kind " << kind;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, FamiliesGoldenTest,
                         testing::Values("gpt2", "gpt2.gguf", "phi", "phi.gguf", "phi3", "phi3_longrope",
                                         "phi3_longrope.gguf", "mistral", "llama3", "llama3.gguf",
                                         "llama_biased", "llama_biased.gguf", "qwen2", "qwen2_yarn",
                                         "qwen2_yarn.gguf", "qwen3", "qwen3.gguf", "gemma3", "gemma3_old",
                                         "gemma3_old.gguf"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(FamiliesGolden, AFileHasTheFingerprintOfItsFolder) {
  for (const char* name : {"gpt2", "phi", "phi3_longrope", "llama3", "llama_biased", "qwen2_yarn", "qwen3"}) {
    EXPECT_EQ(load_family(name)->fingerprint(), load_family(name + std::string(".gguf"))->fingerprint())
        << name;
  }
}

TEST(FamiliesGolden, ModulesThatHoldSeveralLayersAreOneSlot) {
  const auto phi3 = load_family("phi3"), gpt2 = load_family("gpt2");
  ASSERT_EQ(phi3->slots().size(), 8u);
  EXPECT_EQ(phi3->slots()[0].path, "model.layers.0.self_attn.qkv_proj");
  EXPECT_EQ(phi3->slots()[0].out, 64);
  EXPECT_EQ(phi3->slots()[2].path, "model.layers.0.mlp.gate_up_proj");
  EXPECT_EQ(phi3->slots()[2].out, 48);
  ASSERT_EQ(gpt2->slots().size(), 8u);
  EXPECT_EQ(gpt2->slots()[4].path, "transformer.h.1.attn.c_attn");
  EXPECT_EQ(gpt2->slots()[4].in, 16);
  EXPECT_EQ(gpt2->slots()[4].out, 48);
}

}  // namespace
}  // namespace quiver
