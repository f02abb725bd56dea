#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "routing/prompt_rows.h"
#include "routing/prompt_rule.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::kLayer;
using test::options;
using test::prompt;
using test::random_rows;
using test::two_experts;

std::string fit_error(const PromptRows& rows, std::size_t experts, PromptRuleOptions chosen = options()) {
  return error_message([&] { PromptRule::fit(rows, experts, chosen); });
}

TEST(PromptRule, RefusesRowsThatItCannotLearnFrom) {
  const PromptRows good = random_rows(3, 4, {0, 1}, 13);
  EXPECT_EQ(fit_error(random_rows(3, 4, {0}, 13), 1),
            "1 expert; choosing by the prompt needs at least two | with one expert use --router expert:NAME");
  EXPECT_EQ(fit_error({}, 0), "0 experts; choosing by the prompt needs at least two");
  EXPECT_EQ(fit_error(good, 3),
            "expert 2 has no prompts to know its tasks by | compute them: quiver prototypes statistics "
            "LIBRARY -c FILE");
  PromptRows rows = good;
  rows.owners = {0, 2};
  EXPECT_EQ(fit_error(rows, 2), "a task belongs to expert 2 of 2");
  rows = good;
  rows.tasks = {0, 0, 0, 0, 0, 1};
  rows.names = {"addition", "capitals"};
  const std::string more =
      " | compute more: quiver prototypes statistics LIBRARY -c FILE --rows N --recompute";
  EXPECT_EQ(fit_error(rows, 2), "task 'capitals' of expert 1 has 1 prompt; it needs at least two" + more);
  rows.names = {};
  EXPECT_EQ(fit_error(rows, 2), "task 1 of expert 1 has 1 prompt; it needs at least two" + more);
  rows.tasks = {0, 0, 0, 0, 0, 0};
  EXPECT_EQ(fit_error(rows, 2), "task 1 of expert 1 has 0 prompts; it needs at least two" + more);
  rows.tasks = {0, 0, 0, 1, 1, 2};
  EXPECT_EQ(fit_error(rows, 2), "a prompt is of task 2 of 2");
  rows = good;
  rows.names = {"capitals", "capitals"};
  EXPECT_EQ(fit_error(rows, 2),
            "task 'capitals' belongs to two experts of one library | leave one of them out: two "
            "experts of one task cannot be told apart by the prompt");
  rows.names = {"capitals"};
  EXPECT_EQ(fit_error(rows, 2), "1 names of 2 tasks");
}

TEST(PromptRule, RefusesNumbersThatMeanNothing) {
  const PromptRows good = random_rows(3, 4, {0, 1}, 14);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    PromptRows rows = good;
    rows.features[kLayer] = rows.features[kLayer].clone();
    rows.features[kLayer][4][1] = bad;
    EXPECT_EQ(fit_error(rows, 2),
              "the hidden states of prompt 4, of task 1, are all zeros or hold a number that is not finite");
  }
  PromptRows rows = good;
  rows.features[kLayer] = at::ones({6, 4});
  EXPECT_EQ(fit_error(rows, 2), "the prompts of all tasks have the same hidden states");
  rows.features[kLayer] = at::eye(2).repeat_interleave(3, 0);
  EXPECT_EQ(fit_error(rows, 2, options(PromptRuleKind::kLda)),
            "the prompts of each task have the same hidden states | use --rule ridge or centroid");
  rows.features[kLayer] = at::ones({5, 4});
  EXPECT_EQ(fit_error(rows, 2), "hidden states [5, 4] of layer 2 are not those of 6 prompts");
  rows.features = {{kLayer + 1, good.features.at(kLayer)}};
  EXPECT_EQ(
      fit_error(rows, 2),
      "there are no hidden states of layer 2 | compute them: quiver prototypes statistics LIBRARY -c FILE");
  for (const auto& [quantile, text] :
       {std::pair{0.0, "0"}, std::pair{1.5, "1.5"}, std::pair{-1.0, "-1"}, std::pair{std::nan(""), "nan"}}) {
    PromptRuleOptions chosen = options();
    chosen.quantile = quantile;
    EXPECT_EQ(fit_error(good, 2, chosen), std::string("quantile ") + text + " is not above 0 and at most 1");
  }
}

TEST(PromptRule, RefusesPromptsThatDoNotFit) {
  const PromptRule rule = two_experts(options());
  EXPECT_EQ(error_message([&] {
              rule.decide({{kLayer + 1, at::ones({4})}});
            }),
            "a prompt has no hidden states of layer 2");
  EXPECT_EQ(error_message([&] {
              rule.decide({{kLayer, at::ones({5})}});
            }),
            "hidden states of 5 numbers do not fit the rule's, of 4");
  EXPECT_EQ(error_message([&] {
              rule.decide(prompt({1, std::nanf(""), 0, 0}));
            }),
            "the hidden states of a prompt are all zeros or hold a number that is not finite");
}

TEST(PromptRule, RefusesChangesThatDoNotFit) {
  const PromptRule rule = two_experts(options());
  EXPECT_EQ(error_message([&] { rule.without(2); }), "expert 2 of 2 does not exist");
  EXPECT_EQ(error_message([&] { rule.without(0); }),
            "1 expert; choosing by the prompt needs at least two | with one expert use --router expert:NAME");
  EXPECT_EQ(error_message([&] { rule.with(random_rows(3, 5, {0}, 15), 1); }),
            "hidden states of 5 numbers do not fit those of 4");
  PromptRows named = random_rows(3, 4, {0, 1}, 15), more = random_rows(3, 4, {0}, 16);
  named.names = {"a", "b"};
  more.names = {"b"};
  EXPECT_EQ(error_message([&] { PromptRule::fit(named, 2, options()).with(more, 1); }),
            "task 'b' belongs to two experts of one library | leave one of them out: two experts of one task "
            "cannot be "
            "told apart by the prompt");
}

TEST(PromptRule, RefusesStoredTensorsThatDoNotFit) {
  const std::map<std::string, at::Tensor> good = two_experts(options(PromptRuleKind::kLda)).tensors();
  const auto restore_error = [&](const std::string& name, const at::Tensor& tensor) {
    std::map<std::string, at::Tensor> tensors = good;
    tensors[name] = tensor;
    return error_message([&] { PromptRule::restore(tensors, options(PromptRuleKind::kLda)); });
  };
  for (const auto& [name, tensor] : good) {
    EXPECT_EQ(restore_error(name, {}), "a stored prompt rule has no tensor '" + name + "'");
    EXPECT_NE(restore_error(name, at::zeros({3, 3, 3})), "") << name;
  }
  EXPECT_EQ(restore_error("weights", at::zeros({4, 3}, at::kDouble)),
            "tensor 'weights' of a stored prompt rule, CPUDoubleType [4, 3], does not fit the others");
  EXPECT_EQ(
      restore_error("temperature", at::full({1}, std::nan(""), at::kDouble)),
      "tensor 'temperature' of a stored prompt rule, CPUDoubleType [1], holds a number that is not finite");
  EXPECT_EQ(restore_error("tasks", at::full({40}, 2, at::kLong)), "a prompt is of task 2 of 2");
  for (const std::int64_t owner : {-1L, 2L, 1L << 60}) {
    EXPECT_EQ(
        restore_error("owners", at::tensor({std::int64_t{0}, owner}, at::kLong)),
        "tensor 'owners' of a stored prompt rule gives 2 tasks to experts that are not numbered from 0");
  }
}

}  // namespace
}  // namespace quiver
