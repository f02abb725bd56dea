#include <ATen/ATen.h>

#include "routing/routers/router_method.h"
#include "support/test_support.h"

namespace quiver {
namespace {

// D = factor times the identity of two dimensions, in slot 5.
std::shared_ptr<const BoundExpert> expert(const std::string& name, double factor) {
  BoundExpert bound;
  bound.info.name = name;
  bound.factors[5] = {at::eye(2), at::eye(2) * factor};
  return std::make_shared<const BoundExpert>(std::move(bound));
}

class LogoTest : public testing::Test {
 protected:
  std::shared_ptr<const SequenceRule> rule(const RouterOptions& options) const {
    return router_method("logo").fit({options, experts_, base_}, {});
  }

  const ExpertSet experts_{{expert("a", 1), expert("b", 3), expert("c", 0), expert("d", 2)}};
  const BaseFacts base_{2, 2, "", "base", {"0", "1", "2", "3", "4", "model.layers.1.self_attn.q_proj"}};
};

// |D h| for the last token (3, 4): 5, 15, 0 and 10; of the three largest 15/30, 10/30 and 5/30.
TEST_F(LogoTest, WeighsTheLoudestAnswers) {
  const auto logo = rule(parse_router("logo"));
  EXPECT_EQ(logo->needs().slots, (std::vector<std::int64_t>{5}));
  const at::Tensor inputs = at::tensor({100.0f, 0.0f, 3.0f, 4.0f}).view({2, 2});
  const SequenceDecision decision = logo->decide({.slot_inputs = {{5, inputs}}});
  ASSERT_EQ(decision.shares.size(), 3u);
  const std::size_t experts[] = {1, 3, 0};
  const double weights[] = {0.5, 1.0 / 3, 1.0 / 6};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(decision.shares[i].expert, experts[i]);
    EXPECT_NEAR(decision.shares[i].weight, weights[i], 1e-12);
  }
  EXPECT_TRUE(logo->decide({.slot_inputs = {{5, at::zeros({1, 2})}}}).shares.empty());
}

TEST_F(LogoTest, RefusesABlockThatIsNotThere) {
  RouterOptions options = parse_router("logo");
  set_router_setting(options, "block", "7");
  EXPECT_EQ(test::error_message([&] { rule(options); }),
            "the base model has no query projection in block 7 | it has 2 blocks, counted from 0");
}

}  // namespace
}  // namespace quiver
