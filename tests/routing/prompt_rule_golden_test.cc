// Golden files: tests/golden/make_prompt_rules.py.
#include <ATen/ATen.h>

#include "core/json.h"
#include "routing/discriminant.h"
#include "routing/prompt_rule.h"
#include "routing/ridge.h"
#include "support/tensors.h"
#include "support/test_support.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::max_difference;

// Both sides compute in float64; scikit-learn solves the discriminant by a pseudo-inverse.
constexpr double kTolerance = 1e-9;

class PromptRuleGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  at::Tensor tensor(const std::string& name) const {
    return SafetensorsFile::open(test::golden_path("prompt_rules.safetensors"))
        .read(GetParam() + ("/" + name));
  }
  PromptRows rows() const {
    return {.features = {{0, tensor("rows")}},
            .tasks = values_.at("tasks").get<std::vector<std::int64_t>>(),
            .owners = {0, 1, 2},
            .names = {}};
  }
  // The largest distance of the queries' scores from the reference's, relative to the largest score.
  double error(const PromptRuleOptions& options, const Json& expected) const {
    const at::Tensor scores = PromptRule::fit(rows(), 3, options).task_scores(tensor("queries"));
    at::Tensor reference = at::empty_like(scores);
    for (std::int64_t i = 0; i < scores.size(0); ++i) {
      reference[i] =
          at::tensor(expected.at(static_cast<std::size_t>(i)).get<std::vector<double>>(), at::kDouble);
    }
    return max_difference(scores, reference) / reference.abs().max().item<double>();
  }

  const Json values_ = read_json_file(test::golden_path("prompt_rules.json")).at(GetParam());
};

TEST_P(PromptRuleGoldenTest, RidgeClassifier) {
  EXPECT_LT(error({.kind = PromptRuleKind::kRidge}, values_.at("ridge")), kTolerance);
  const PromptSample sample = check_sample(rows(), 3, 0);
  EXPECT_NEAR(fit_ridge(sum_rows(sample, Products::kYes), sample).lambda, values_.at("lambda").get<double>(),
              1e-12);
}

TEST_P(PromptRuleGoldenTest, LinearDiscriminantAnalysis) {
  const PromptSample sample = check_sample(rows(), 3, 0);
  for (const auto& [shrinkage, name] :
       {std::pair{Shrinkage::kOas, "oas"}, std::pair{Shrinkage::kLedoitWolf, "ledoit_wolf"}}) {
    const Json& expected = values_.at(name);
    EXPECT_NEAR(fit_discriminant(sum_rows(sample, Products::kYes), sample, shrinkage).shrinkage,
                expected.at("shrinkage").get<double>(), 1e-10)
        << name;
    EXPECT_LT(error({.kind = PromptRuleKind::kLda, .shrinkage = shrinkage}, expected.at("lda")), kTolerance)
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PromptRuleGoldenTest, testing::Values("narrow", "wide"));

}  // namespace
}  // namespace quiver
