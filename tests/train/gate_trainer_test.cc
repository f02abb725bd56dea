#include "train/gate_trainer.h"

#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;

TEST(GateTrainer, RefusesAnExpertOfAnotherBase) {
  Expert expert;
  expert.info.name = "stranger";
  expert.modules["model.layers.9.self_attn.q_proj"] = {at::ones({2, 32}), at::ones({32, 2}), 1.0};
  EXPECT_NE(error_message([&] {
              GateTrainer(*golden_base("tiny_llama"), expert);
            }).find("expert 'stranger' adapts 'model.layers.9.self_attn.q_proj', which the base model "),
            std::string::npos);
  expert.modules.clear();
  expert.modules["model.layers.0.self_attn.q_proj"] = {at::ones({2, 31}), at::ones({40, 2}), 1.0};
  EXPECT_NE(error_message([&] {
              GateTrainer(*golden_base("tiny_llama"), expert);
            }).find("'model.layers.0.self_attn.q_proj'"),
            std::string::npos);
}

}  // namespace
}  // namespace quiver
