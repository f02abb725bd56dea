// Golden files: tests/golden/make_merges.py.
#include <ATen/ATen.h>

#include "core/json.h"
#include "quiver/transforms.h"
#include "support/tensors.h"
#include "support/test_support.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::max_difference;

// Values up to 5, in float32.
constexpr double kTolerance = 1e-6 * 5;

class MergeGoldenTest : public testing::Test {
 protected:
  MergeGoldenTest() {
    std::size_t number = 0;
    for (const Json& name : values_.at("experts")) {
      Expert expert;
      expert.info.name = name.get<std::string>();
      names_.push_back(expert.info.name);
      const double alpha = values_.at("alphas").at(number++).get<double>();
      expert.info.lora.rank = values_.at("rank").get<std::int64_t>();
      expert.info.lora.alpha = alpha;
      for (const std::string& module : modules_) {
        const std::string prefix = expert.info.name + "." + module;
        expert.modules[module] = {file_.read(prefix + ".a"), file_.read(prefix + ".b"),
                                  alpha / static_cast<double>(expert.info.lora.rank)};
      }
      library_.add(expert);
      for (auto& [path, lora] : expert.modules) lora.scale = 1;
      expert.info.lora.alpha = static_cast<double>(expert.info.lora.rank);
      equal_scales_.add(expert);
    }
    options_.density = values_.at("density").get<double>();
    options_.seed = values_.at("seed").get<std::uint64_t>();
  }

  Expert merge(const std::string& method, bool weighted = true) {
    options_.method = parse_merge_method(method);
    options_.weights = weighted ? values_.at("weights").get<std::vector<double>>() : std::vector<double>();
    const bool is_mttl = method == "mttl_ties" || method == "wudi";
    return merge_experts(is_mttl ? equal_scales_ : library_, names_, options_, "merged");
  }

  void expect_factors(const std::string& golden, const Expert& merged) {
    for (const std::string& module : modules_) {
      const LoraWeights& lora = merged.modules.at(module);
      EXPECT_EQ(lora.scale, 1);
      EXPECT_LT(max_difference(lora.a, file_.read(golden + "." + module + ".a")), kTolerance) << golden;
      EXPECT_LT(max_difference(lora.b, file_.read(golden + "." + module + ".b")), kTolerance) << golden;
    }
  }

  void expect_update(const std::string& golden, const Expert& merged, std::int64_t rank) {
    for (const std::string& module : modules_) {
      const LoraWeights& lora = merged.modules.at(module);
      EXPECT_EQ(lora.a.size(0), rank);
      EXPECT_LT(
          max_difference(at::mm(lora.b, lora.a) * lora.scale, file_.read(golden + "." + module + ".update")),
          2 * kTolerance)
          << golden;
    }
  }

  const Json values_ = read_json_file(test::golden_path("merges.json"));
  const SafetensorsFile file_ = SafetensorsFile::open(test::golden_path("merges.safetensors"));
  const std::vector<std::string> modules_ = values_.at("modules").get<std::vector<std::string>>();
  const test::ScratchDirectory scratch_;
  ExpertLibrary library_ = ExpertLibrary::create((scratch_ / "library").string());
  ExpertLibrary equal_scales_ = ExpertLibrary::create((scratch_ / "equal_scales").string());
  std::vector<std::string> names_;
  MergeOptions options_;
};

TEST_F(MergeGoldenTest, FactorsAsPeftJoinsThem) {
  for (const char* method : {"linear", "ties", "dare_linear", "dare_ties", "magnitude_prune"})
    expect_factors(method, merge(method));
  options_.majority_sign = MajoritySign::kFrequency;
  expect_factors("ties_frequency", merge("ties"));
}

TEST_F(MergeGoldenTest, UpdatesAsPeftJoinsAndCutsThem) {
  for (const char* method : {"svd", "ties_svd", "dare_linear_svd", "dare_ties_svd", "magnitude_prune_svd"})
    expect_update(method, merge(method), 3);
  options_.majority_sign = MajoritySign::kFrequency;
  expect_update("ties_frequency_svd", merge("ties_svd"), 3);
}

TEST_F(MergeGoldenTest, ConcatenationIsTheSumOfTheUpdates) { expect_update("cat", merge("cat"), 9); }

// The first expert less the mean of the others.
TEST_F(MergeGoldenTest, GeneralKnowledgeIsSubtracted) {
  options_.method = MergeMethod::kSubtract;
  options_.general = {names_[1], names_[2]};
  const auto subtract = [&](const ExpertLibrary& library) {
    return merge_experts(library, {names_[0]}, options_, "merged");
  };
  expect_update("subtract", subtract(library_), 9);
  options_.rank = 3;
  expect_update("subtract_cut", subtract(library_), 3);
  options_.rank = 0;
  options_.compat = Compat::kPeft;
  expect_factors("subtract_peft", subtract(equal_scales_));
}

TEST_F(MergeGoldenTest, MttlsMerges) {
  expect_factors("mean", merge("mean", /*weighted=*/false));
  expect_factors("weighted", merge("mean"));
  expect_factors("mttl_ties", merge("mttl_ties"));
  expect_factors("wudi", merge("wudi"));
}

}  // namespace
}  // namespace quiver
