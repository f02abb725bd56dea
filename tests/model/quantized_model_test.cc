// Base models rounded to 8 bits against the same models in float32. A file's own blocks: blocks_e2e_test.cc.
#include <functional>

#include "model/decoder.h"
#include "model/weight_source.h"
#include "support/golden.h"
#include "support/tensors.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::error_message;
using test::max_difference;

std::shared_ptr<const BaseModel> load(const std::string& name, Precision precision) {
  return BaseModel::load(test::golden_path(name), {.precision = precision});
}

class QuantizedModelTest : public testing::TestWithParam<const char*> {
 protected:
  const std::shared_ptr<const BaseModel> whole_ = test::golden_base(GetParam());
  const std::shared_ptr<const BaseModel> q8_ = load(GetParam(), Precision::kQ8);
  const std::vector<std::int32_t> first_ = {5, 17, 300, 2, 9, 41, 7}, second_ = {11, 250};
};

// Weights are rounded to a 254th of their block's range, through two layers of random weights, whose
// attention is sharp.
TEST_P(QuantizedModelTest, LogitsAreNearFloat32) {
  const RaggedBatch batch = batch_of({first_, second_});
  const at::Tensor expected = whole_->logits(whole_->forward(batch));
  const at::Tensor difference = (q8_->logits(q8_->forward(batch)) - expected).abs();
  const double size = expected.abs().max().item<double>();
  EXPECT_LT(difference.max().item<double>(), 0.1 * size);
  EXPECT_LT(difference.mean().item<double>(), 0.02 * size);
}

TEST_P(QuantizedModelTest, IsTheSameModel) {
  EXPECT_EQ(q8_->fingerprint(), whole_->fingerprint());
  EXPECT_EQ(q8_->precision(), Precision::kQ8);
  EXPECT_EQ(q8_->groups().size(), whole_->groups().size());
}

TEST_P(QuantizedModelTest, RowsDoNotDependOnTheBatch) {
  const at::Tensor together = q8_->forward(batch_of({first_, second_}));
  EXPECT_LT(max_difference(q8_->forward(batch_of({second_})), together.slice(0, 7)), 1e-5);
}

TEST_P(QuantizedModelTest, CachedStepsGiveTheWholeForward) {
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

INSTANTIATE_TEST_SUITE_P(Models, QuantizedModelTest,
                         testing::Values("tiny_llama", "tiny_llama_untied", "tiny_gpt_neo"),
                         [](const auto& instance) { return std::string(instance.param); });

// A copy of a tiny model some of whose tensors are kept in another type.
class HalvesTest : public testing::TestWithParam<const char*> {
 protected:
  // `name` of the copy; tensors that `takes` go through `type` and are stored in it, or as float32 again.
  std::filesystem::path copy(const std::string& name, at::ScalarType type, bool as_floats,
                             const std::function<bool(const std::string&)>& takes) {
    const std::filesystem::path original = test::golden_path(GetParam());
    std::filesystem::copy(original, scratch_ / name);
    std::filesystem::copy(test::golden_path("tiny_llama/tokenizer.json"), scratch_ / name,
                          std::filesystem::copy_options::skip_existing);
    const SafetensorsFile file = SafetensorsFile::open(original / "model.safetensors");
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& tensor : file.names()) {
      at::Tensor values = file.read(tensor);
      if (takes(tensor)) values = as_floats ? values.to(type).to(at::kFloat) : values.to(type);
      tensors[tensor] = values;
    }
    write_safetensors(scratch_ / name / "model.safetensors", tensors);
    return scratch_ / name;
  }

  void expect_same(const BaseModel& left, const BaseModel& right) {
    EXPECT_EQ(left.fingerprint(), right.fingerprint());
    for (const std::size_t sequences : {1, 20}) {
      const RaggedBatch batch =
          batch_of(std::vector(sequences, std::vector<std::int32_t>{5, 17, 300, 2, 9, 41, 7}));
      EXPECT_TRUE(at::equal(left.logits(left.forward(batch)), right.logits(right.forward(batch))))
          << sequences;
    }
  }

  test::ScratchDirectory scratch_;
};

TEST_P(HalvesTest, StayHalvesAndGiveTheBitsOfTheFloats) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const std::string name = at::toString(type);
    const auto all = [](const std::string&) { return true; };
    const auto halves = copy(name, type, false, all), floats = copy(name + " floats", type, true, all);
    expect_same(*BaseModel::load(halves), *BaseModel::load(floats));
    expect_same(*BaseModel::load(halves, {.precision = Precision::kQ8}),
                *BaseModel::load(floats, {.precision = Precision::kQ8}));
    for (const bool as_floats : {false, true}) {
      const auto parts = load_parts(*open_weight_source(as_floats ? floats : halves), {});
      // The 16 columns of gpt2's embedding are no whole block.
      EXPECT_EQ(parts->embedding.is_dense(), as_floats || parts->config.hidden < 32);
      EXPECT_EQ(parts->layers.back().mlp_out.weight().is_dense(), as_floats);
    }
  }
}

TEST_P(HalvesTest, BesideFloatsInOneGroupBecomeFloats) {
  const auto some = [](const std::string& name) { return name.find("q_proj") != std::string::npos; };
  const auto halves = copy("halves", at::kHalf, false, some), floats = copy("floats", at::kHalf, true, some);
  expect_same(*BaseModel::load(halves), *BaseModel::load(floats));
  const auto parts = load_parts(*open_weight_source(halves), {});
  EXPECT_TRUE(parts->layers.front().qkv.weight().is_dense());
}

INSTANTIATE_TEST_SUITE_P(Models, HalvesTest,
                         testing::Values("tiny_llama", "tiny_llama_untied", "families/gpt2"),
                         [](const auto& instance) {
                           return std::filesystem::path(instance.param).filename().string();
                         });

}  // namespace
}  // namespace quiver
