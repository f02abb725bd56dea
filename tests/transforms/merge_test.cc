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
