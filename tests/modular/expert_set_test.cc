#include "modular/expert_set.h"

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

TEST(ExpertSet, ScalesAreEachExpertsOwnOrTheFirstByName) {
  const auto base = test::golden_base("tiny_llama");
  const at::Tensor b = random_tensor({32, 2}, 2).t();
  const auto own = make_expert_set(*base, {expert("late", 3), expert("early", 0.5)});
  EXPECT_LT(max_difference(own->slots.at(0).b, at::stack({b * 0.5, b * 3})), 1e-6);
  const auto first =
      make_expert_set(*base, {expert("late", 3), expert("early", 0.5)}, ExpertScales::kOfTheFirst);
  EXPECT_LT(max_difference(first->slots.at(0).b, at::stack({b * 0.5, b * 0.5})), 1e-6);
}

}  // namespace
}  // namespace quiver
