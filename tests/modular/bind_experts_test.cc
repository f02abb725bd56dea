#include "modular/bind_experts.h"

#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::max_difference;
using test::random_tensor;

Expert expert(const std::string& name, double scale) {
  Expert result;
  result.info.name = name;
  result.modules["model.layers.0.self_attn.q_proj"] = {random_tensor({2, 32}, 1), random_tensor({32, 2}, 2),
                                                       scale};
  return result;
}

TEST(BindExpert, ScalesAreItsOwnOrTheFirst) {
  const auto base = test::golden_base("tiny_llama");
  const at::Tensor b = random_tensor({32, 2}, 2).t();
  EXPECT_LT(max_difference(bind_expert(*base, expert("late", 3)).factors.at(0).b, b * 3), 1e-6);
  const std::map<std::string, double> first = {{"model.layers.0.self_attn.q_proj", 0.5}};
  EXPECT_LT(max_difference(bind_expert(*base, expert("late", 3), first).factors.at(0).b, b * 0.5), 1e-6);
}

}  // namespace
}  // namespace quiver
