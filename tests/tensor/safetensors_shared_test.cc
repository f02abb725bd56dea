#include "support/test_support.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

TEST(SafetensorsSharedTest, ReadsFilesOfOtherPrograms) {
  QUIVER_REQUIRE_SHARED(folder, "safetensors");
  const SafetensorsFile mnist = SafetensorsFile::open(folder / "mnist.safetensors");
  EXPECT_EQ(mnist.shape("conv1.weight"), (std::vector<std::int64_t>{8, 1, 3, 3}));
  EXPECT_EQ(mnist.read("norm1.num_batches_tracked").scalar_type(), at::kLong);
  EXPECT_TRUE(at::isfinite(mnist.read("conv1.weight")).all().item<bool>());
  const SafetensorsFile layers = SafetensorsFile::open(folder / "multi_layer.safetensors");
  EXPECT_EQ(layers.shape("fc1.weight"), (std::vector<std::int64_t>{16, 256}));
  const SafetensorsFile doubles = SafetensorsFile::open(folder / "syoyo_model.safetensors");
  EXPECT_EQ(doubles.names(), (std::vector<std::string>{"weight1", "weight2"}));
  EXPECT_EQ(doubles.read("weight2").scalar_type(), at::kDouble);
}

TEST(SafetensorsSharedTest, RefusesTheAbuseAttempt) {
  QUIVER_REQUIRE_SHARED(folder, "safetensors");
  const std::string message =
      test::error_message([&] { SafetensorsFile::open(folder / "abuse_attempt_1_INVALID.safetensors"); });
  EXPECT_NE(message.find("the header of 1000 bytes does not fit in the file of 88 bytes"), std::string::npos)
      << message;
}

}  // namespace
}  // namespace quiver
