#include "quiver/expert.h"
#include "support/test_support.h"

namespace quiver::test {
namespace {

TEST(PeftAdapters, ClassificationHeadIsRefusedByName) {
  QUIVER_REQUIRE_SHARED(adapters, "peft-adapters");
  const std::string message = error_message([&] { load_expert(adapters / "gpt2-cls"); });
  EXPECT_NE(message.find("'base_model.model.score.weight' is a whole trained module"), std::string::npos)
      << message;
}

// Its tensors were read with torch 2.15.0 too: torch.load with weights_only=True.
TEST(PeftAdapters, PickledWeightsOfAConv1DModel) {
  QUIVER_REQUIRE_SHARED(adapters, "peft-adapters");
  const Expert expert = load_expert(adapters / "gpt2-be-great");
  EXPECT_EQ(expert.info.base_model, "gpt2");
  ASSERT_EQ(expert.modules.size(), 12u);
  const LoraWeights& first = expert.modules.at("transformer.h.0.attn.c_attn");
  EXPECT_EQ(first.a.sizes(), (at::IntArrayRef{8, 768}));
  EXPECT_EQ(first.b.sizes(), (at::IntArrayRef{2304, 8}));
  EXPECT_DOUBLE_EQ(first.scale, 4);
  EXPECT_NEAR(first.a.to(at::kDouble).sum().item<double>(), -5.916176932336384, 1e-9);
  EXPECT_NEAR(first.b.to(at::kDouble).sum().item<double>(), 3.5995224595705224, 1e-9);
}

}  // namespace
}  // namespace quiver::test
