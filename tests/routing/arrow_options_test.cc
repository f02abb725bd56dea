// mttl's `scale`, `tie_params` and `tie_op`, worked out by hand.
#include <ATen/ATen.h>

#include "routing/routers/router_method.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::max_difference;
using test::random_tensor;

// q, k, v of one block and one layer that stands alone, each with an update of rank 1.
class ArrowOptionsTest : public testing::Test {
 protected:
  ArrowOptionsTest() {
    base_.slots = {"0.attn.q_proj", "0.attn.k_proj", "0.attn.v_proj", "0.mlp.up_proj"};
    // D_q = 3 e1 e1^T, D_k = 4 e1 e2^T, D_v = 1 e2 e2^T, D_up = 2 e1 (0.6, 0.8, 0)^T
    add(0, {1, 0, 0}, {3, 0});
    add(1, {0, 2, 0}, {2, 0});
    add(2, {0, 1, 0}, {0, 1});
    add(3, {0.6f, 0.8f, 0}, {2, 0});
    expert_.info.name = "one";
    expert_.info.lora.rank = 1;
    expert_.info.lora.alpha = 2;
  }

  void add(std::int64_t slot, const std::vector<float>& a, const std::vector<float>& b) {
    expert_.factors[slot] = {at::tensor(a).unsqueeze(0), at::tensor(b).unsqueeze(0)};
  }

  std::map<std::int64_t, at::Tensor> vectors(const std::map<std::string, std::string>& settings,
                                             Compat compat = Compat::kNone) const {
    RouterOptions options = parse_router("arrow", compat);
    for (const auto& [name, value] : settings) set_router_setting(options, name, value);
    const ExpertSet experts({std::make_shared<const BoundExpert>(expert_)});
    return router_method("arrow").vectors_of({options, experts, base_}, 0);
  }

  static void expect_near(const at::Tensor& actual, const std::vector<float>& expected) {
    EXPECT_LT(max_difference(actual, at::tensor(expected).unsqueeze(0)), 1e-5) << actual;
  }

  BaseFacts base_;
  BoundExpert expert_;
};

constexpr char kTie[] = "q_proj.lora_a|k_proj.lora_a|v_proj.lora_a";

TEST_F(ArrowOptionsTest, TheArtefactHoldsPlainPrototypes) {
  EXPECT_TRUE(vectors({}).empty());
  EXPECT_TRUE(vectors({{"proto_norm", "norm_p"}}).empty());
  const RouterMethod& method = router_method("arrow");
  EXPECT_EQ(method.artefact(parse_router("arrow")), "arrow");
  RouterOptions scaled = parse_router("arrow");
  set_router_setting(scaled, "scale", "yes");
  EXPECT_EQ(method.artefact(scaled), "");
}

TEST_F(ArrowOptionsTest, ScaleIsTheSquareOfTheSingularValue) {
  const auto own = vectors({{"scale", "yes"}});
  expect_near(own.at(0), {9, 0, 0});
  expect_near(own.at(1), {0, 16, 0});
  expect_near(own.at(2), {0, 1, 0});
  expect_near(own.at(3), {2.4f, 3.2f, 0});
  // mttl takes B A without alpha / r, here 2.
  expect_near(vectors({{"scale", "yes"}}, Compat::kMttl).at(1), {0, 4, 0});
}

// One below the other, D^T D = 9 e1 e1^T + (16 + 1) e2 e2^T.
TEST_F(ArrowOptionsTest, TiedSlotsShareThePrototypeOfTheirUpdatesOneBelowTheOther) {
  const auto tied = vectors({{"tie_params", kTie}, {"scale", "yes"}});
  for (const std::int64_t slot : {0, 1, 2}) expect_near(tied.at(slot), {0, 17, 0});
  expect_near(tied.at(3), {2.4f, 3.2f, 0});
  expect_near(vectors({{"tie_params", kTie}}).at(0), {0, 1, 0});
  // v alone with k: q stays by itself.
  const auto pair = vectors({{"tie_params", "k_proj.lora_a|v_proj.lora_a"}});
  expect_near(pair.at(0), {1, 0, 0});
  expect_near(pair.at(1), {0, 1, 0});
}

// D_q + D_k + D_v = [3 4; 0 1]: D^T D = [9 12; 12 17], largest eigenvalue 13 + sqrt(160).
TEST_F(ArrowOptionsTest, OrThatOfTheirSum) {
  const auto tied = vectors({{"tie_params", kTie}, {"tie_op", "sum"}, {"scale", "yes"}});
  const double value = 13 + std::sqrt(160.0), length = std::hypot(12.0, value - 9);
  expect_near(tied.at(2),
              {static_cast<float>(12 / length * value), static_cast<float>((value - 9) / length * value), 0});
}

// With one A, as mttl asks for, the dense product [B1; B2] A says the same.
TEST_F(ArrowOptionsTest, AsOfTheDenseProductOfOneA) {
  const at::Tensor a = random_tensor({2, 6}, 1);
  expert_.factors = {{0, {a, random_tensor({2, 5}, 2)}}, {1, {a, random_tensor({2, 3}, 3)}}};
  const at::Tensor b = at::cat({expert_.factors[0].b, expert_.factors[1].b}, 1);  // (r, out + out)
  const auto [u, s, v] = at::linalg_svd(at::mm(b.t(), a).to(at::kDouble), false);
  const at::Tensor tied = vectors({{"tie_params", "q_proj.lora_a|k_proj.lora_a"}}).at(0);
  EXPECT_LT(max_difference(tied.squeeze(0).abs(), v[0].abs().to(at::kFloat)), 1e-5);
}

TEST_F(ArrowOptionsTest, RefusesWhatCannotBeTied) {
  EXPECT_NE(error_message([&] {
              vectors({{"tie_params", "o_proj.lora_a"}});
            }).find("ties no two"),
            std::string::npos);
  EXPECT_NE(error_message([&] {
              vectors({{"tie_params", "q_proj.lora_b|k_proj.lora_b"}});
            }).find("for prototypes A's alone can be tied"),
            std::string::npos);
  expert_.factors[1].b = at::ones({1, 3});
  EXPECT_EQ(
      error_message([&] {
        vectors({{"tie_params", kTie}, {"tie_op", "sum"}});
      }),
      "'0.attn.q_proj' and '0.attn.k_proj' cannot be tied for Arrow: their widths differ | tie_op concat "
      "needs equal inputs alone");
  EXPECT_FALSE(vectors({{"tie_params", kTie}}).empty());
  for (const Compat compat : {Compat::kPeft, Compat::kPhatgoose}) {
    RouterOptions options = parse_router("arrow", compat);
    set_router_setting(options, "scale", "yes");
    EXPECT_EQ(
        error_message([&] { router_method("arrow").artefact(options); }),
        compat_name(compat) +
            " has no 'scale' and no 'tie_params' of Arrow | they are mttl's: leave them or --compat out");
  }
}

}  // namespace
}  // namespace quiver
