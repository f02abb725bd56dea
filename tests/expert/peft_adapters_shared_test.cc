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

TEST(PeftAdapters, PickledWeightsAreRefusedByName) {
  QUIVER_REQUIRE_SHARED(adapters, "peft-adapters");
  const std::string message = error_message([&] { load_expert(adapters / "gpt2-be-great"); });
  EXPECT_NE(message.find("gpt2-be-great/adapter_model.bin': pickled weights are not read"), std::string::npos)
      << message;
}

}  // namespace
}  // namespace quiver::test
