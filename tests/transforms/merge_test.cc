#include <ATen/ATen.h>

#include "core/json.h"
#include "quiver/transforms.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::max_difference;
using test::random_tensor;

constexpr char kModule[] = "layers.0.q";

Expert expert(const std::string& name, std::int64_t rank, double scale, std::uint64_t seed) {
  Expert result;
  result.info.name = name;
  result.info.tasks = {name + "_task"};
  result.info.lora.rank = rank;
  result.info.lora.alpha = scale * static_cast<double>(rank);
  result.modules[kModule] = {random_tensor({rank, 6}, seed), random_tensor({6, rank}, seed + 1), scale};
  return result;
}

at::Tensor update_of(const Expert& expert) {
  const LoraWeights& lora = expert.modules.at(kModule);
  return at::mm(lora.b, lora.a) * lora.scale;
}

class MergeTest : public testing::Test {
 protected:
  Expert merge(const char* method, const std::vector<std::string>& names) {
    options_.method = parse_merge_method(method);
    return merge_experts(library_, names, options_, "merged");
  }
  std::string refusal(const char* method, const std::vector<std::string>& names) {
    return error_message([&] { merge(method, names); });
  }

  const test::ScratchDirectory scratch_;
  ExpertLibrary library_ = ExpertLibrary::create((scratch_ / "library").string());
  MergeOptions options_;
};

TEST_F(MergeTest, OneExpertComesBack) {
  library_.add(expert("one", 2, 1.5, 1));
  options_.density = 1;
  for (const char* method : {"mean", "wudi", "mttl_ties", "cat", "linear", "svd", "ties", "ties_svd",
                             "dare_linear", "dare_ties_svd", "magnitude_prune"}) {
    EXPECT_LT(max_difference(update_of(merge(method, {"one"})), update_of(library_.load("one"))), 2e-5)
        << method;
  }
}

TEST_F(MergeTest, TheRecordSaysHowItWasMade) {
  library_.add(expert("one", 2, 1, 1));
  library_.add(expert("two", 2, 1, 3));
  options_.density = 0.25;
  options_.seed = 9;
  const Expert merged = merge("dare_ties", {"two", "one"});
  EXPECT_EQ(merged.info.name, "merged");
  EXPECT_EQ(merged.info.tasks, (std::vector<std::string>{"one_task", "two_task"}));
  EXPECT_EQ(merged.info.lora.rank, 2);
  EXPECT_EQ(merged.info.lora.alpha, 2);
  EXPECT_EQ(merged.info.training.at("merge"), (Json{{"method", "dare_ties"},
                                                    {"experts", {"two", "one"}},
                                                    {"weights", {1.0, 1.0}},
                                                    {"density", 0.25},
                                                    {"seed", 9},
                                                    {"majority_sign", "total"}}));
  EXPECT_EQ(merge("mean", {"one", "two"}).info.training.at("merge").at("weights"), (Json{0.5, 0.5}));
}

TEST_F(MergeTest, SvdAndCatTakeDifferentRanks) {
  library_.add(expert("one", 2, 1, 1));
  library_.add(expert("two", 3, 2, 3));
  const at::Tensor mean = (update_of(library_.load("one")) + update_of(library_.load("two"))) / 2;
  EXPECT_LT(max_difference(update_of(merge("cat", {"one", "two"})), mean), 1e-5);
  options_.rank = 5;
  EXPECT_LT(max_difference(update_of(merge("svd", {"one", "two"})), mean), 1e-5);
  options_.rank = 0;
  EXPECT_EQ(merge("svd", {"one", "two"}).modules.at(kModule).a.size(0), 3);
  Expert mixed = expert("mixed", 2, 1, 5);
  mixed.modules["layers.1.q"] = {random_tensor({1, 6}, 7), random_tensor({6, 1}, 8), 1};
  library_.add(mixed);
  EXPECT_EQ(merge("cat", {"one", "mixed"}).info.lora.rank, 4);  // 2 + 2 in one module, 1 in the other
  EXPECT_EQ(
      refusal("linear", {"one", "two"}),
      "experts 'one' and 'two' differ in the rank of 'layers.0.q': 2 and 3 | cat and the svd methods take "
      "experts of different rank");
}

// By hand: s B A = 2 [1 0; 0 0], less half of [0 1; 0 0] * 4 and of [0 0; 0 1] * 1.
TEST_F(MergeTest, SubtractsAMean) {
  const auto one_by_one = [](const std::string& name, at::Tensor a, at::Tensor b, double scale) {
    Expert result;
    result.info.name = name;
    result.info.tasks = {name + "_task"};
    result.info.lora.rank = 1;
    result.info.lora.alpha = scale;
    result.modules[kModule] = {std::move(a), std::move(b), scale};
    return result;
  };
  const at::Tensor x = at::tensor({1.f, 0.f}), y = at::tensor({0.f, 1.f});
  library_.add(one_by_one("task", x.view({1, 2}), x.view({2, 1}), 2));
  library_.add(one_by_one("wiki", y.view({1, 2}), x.view({2, 1}), 4));
  library_.add(one_by_one("news", y.view({1, 2}), y.view({2, 1}), 1));
  options_.general = {"wiki", "news"};
  const Expert merged = merge("subtract", {"task"});
  EXPECT_LT(max_difference(update_of(merged), at::tensor({2.f, -2.f, 0.f, -0.5f}).view({2, 2})), 1e-6);
  EXPECT_EQ(merged.info.tasks, std::vector<std::string>{"task_task"});
  EXPECT_EQ(merged.info.lora.rank, 3);
  EXPECT_EQ(
      merged.info.training.at("merge"),
      (Json{{"method", "subtract"}, {"experts", {"task", "wiki", "news"}}, {"weights", {1.0, -0.5, -0.5}}}));
  options_.weights = {0, 2};
  EXPECT_LT(
      max_difference(update_of(merge("subtract", {"task"})), at::tensor({2.f, 0.f, 0.f, -2.f}).view({2, 2})),
      1e-6);
  // Two singular values of the same size are left, so a rank of two loses nothing and a rank of one half.
  options_.rank = 2;
  EXPECT_LT(
      max_difference(update_of(merge("subtract", {"task"})), at::tensor({2.f, 0.f, 0.f, -2.f}).view({2, 2})),
      1e-6);
  options_.rank = 1;
  EXPECT_NEAR(update_of(merge("subtract", {"task"})).square().sum().item<double>(), 4, 1e-5);
}

TEST_F(MergeTest, RefusesSubtractionsThatAreNone) {
  library_.add(expert("one", 2, 1, 1));
  library_.add(expert("two", 3, 1, 3));
  library_.add(expert("three", 2, 2, 5));
  EXPECT_EQ(refusal("subtract", {"one"}), "subtract needs general experts, and none are given");
  options_.general = {"one", "two"};
  EXPECT_EQ(refusal("subtract", {"one"}),
            "expert 'one' is among the general ones, which are subtracted from it");
  EXPECT_EQ(refusal("subtract", {"three", "one"}), "subtract takes one expert, and 2 are given | name it");
  EXPECT_EQ(refusal("cat", {"one"}),
            "general experts are given, which cat does not subtract | the method that does is subtract");
  options_.weights = {1};
  EXPECT_EQ(refusal("subtract", {"three"}), "1 weights for 2 experts");
  options_.weights = {};
  options_.compat = Compat::kMttl;
  EXPECT_EQ(refusal("subtract", {"three"}),
            "there is no compat 'mttl' of the method subtract | subtract has compat peft");
  options_.compat = Compat::kPeft;
  options_.general = {"two"};
  EXPECT_NE(refusal("subtract", {"one"}).find("subtract without compat peft takes experts of different rank"),
            std::string::npos);
  options_.general = {"three"};
  EXPECT_NE(refusal("subtract", {"one"}).find("differ in alpha / rank"), std::string::npos);
  options_.rank = 1;
  EXPECT_NE(refusal("subtract", {"one"}).find("PEFT's subtraction keeps the experts' rank"),
            std::string::npos);
  options_.general = {};
  EXPECT_EQ(refusal("cat", {"one"}),
            "there is no compat 'peft' of the method cat | subtract has compat peft");
}

TEST_F(MergeTest, Refusals) {
  library_.add(expert("one", 2, 1, 1));
  library_.add(expert("two", 2, 2, 3));
  Expert other = expert("other", 2, 1, 5);
  other.modules["layers.1.q"] = other.modules.at(kModule);
  library_.add(other);
  EXPECT_EQ(refusal("mean", {}), "no expert to merge");
  EXPECT_NE(refusal("mean", {"one", "tow"}).find("did you mean 'two'"), std::string::npos);
  EXPECT_NE(refusal("wudi", {"one", "two"}).find("differ in alpha / rank"), std::string::npos);
  EXPECT_NE(refusal("mean", {"one", "other"}).find("'one' and 'other' adapt different modules"),
            std::string::npos);
  EXPECT_EQ(merge("linear", {"one", "other"}).modules.size(), 2u);
  options_.weights = {1};
  EXPECT_EQ(refusal("mean", {"one", "two"}), "1 weights for 2 experts");
  options_.weights = {};
  options_.density = 0;
  EXPECT_NE(refusal("ties", {"one", "two"}).find("density 0"), std::string::npos);
  options_.density = 0.5;
  options_.rank = 7;
  EXPECT_NE(refusal("svd", {"one", "two"}).find("rank 7 is above what 'layers.0.q' (6 x 6) can have"),
            std::string::npos);
  EXPECT_NE(error_message([] { parse_merge_method("tie"); }).find("did you mean 'ties'"), std::string::npos);
}

}  // namespace
}  // namespace quiver
