// Golden files: tests/golden/make_peft_arrow.py.
#include <ATen/ATen.h>

#include "core/json.h"
#include "quiver/router.h"
#include "routing/prototypes.h"
#include "routing/routers/router_method.h"
#include "support/mixture_reference.h"
#include "support/tensors.h"
#include "support/test_support.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::combine_output_reference;
using test::max_difference;

class PeftArrowGoldenTest : public testing::Test {
 protected:
  at::Tensor tensor(const char* name) const {
    return SafetensorsFile::open(test::golden_path("peft_arrow.safetensors")).read(name);
  }
  const Json values_ = read_json_file(test::golden_path("peft_arrow.json"));
};

TEST_F(PeftArrowGoldenTest, PowerIterationFromTheSameSeed) {
  const at::Tensor a = tensor("a"), b = tensor("b"), expected = tensor("prototypes");
  for (std::int64_t e = 0; e < a.size(0); ++e) {
    const at::Tensor prototype =
        power_iteration_prototype(a[e], b[e], values_.at("seed").get<std::uint64_t>());
    EXPECT_LT(max_difference(prototype, expected[e]), 1e-6) << e;
  }
}

TEST_F(PeftArrowGoldenTest, RoutingAndCombinationOfThatCompat) {
  const RouterOptions router = parse_router("arrow", Compat::kPeft);
  const at::Tensor a = tensor("a"), b = tensor("b"), x = tensor("x");
  std::vector<LoraWeights> experts;
  for (std::int64_t e = 0; e < a.size(0); ++e) {
    const double scale =
        values_.at("alphas").at(static_cast<std::size_t>(e)).get<double>() / values_.at("rank").get<double>();
    experts.push_back({a[e], b[e], scale});
  }
  ASSERT_EQ(router.combine, Combine::kOutput);
  MixtureRule rule = router_method("arrow").rule(router, x.size(1));
  rule.top_k = router.top_k;
  const at::Tensor weights = mixture_weights(mixture_logits(x, tensor("prototypes"), rule), rule);
  // Sums of up to 24 products of magnitude 1 in float32.
  EXPECT_LT(max_difference(combine_output_reference(x, experts, weights), tensor("delta")), 1e-5);
}

}  // namespace
}  // namespace quiver
