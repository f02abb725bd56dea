#include "kernels/loss.h"

#include <cmath>

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::gradient_of;
using test::max_difference;
using test::random_tensor;

constexpr std::int64_t kWidth = 12, kVocabulary = 37;

at::Tensor random_targets(std::int64_t count) {
  return at::randint(kVocabulary, {count}, at::detail::createCPUGenerator(9), at::kLong);
}

// Around the 256 rows whose logits exist at one time.
class LossRowsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  std::int64_t rows_ = GetParam();
  at::Tensor hidden_ = random_tensor({rows_, kWidth}, 1), weight_ = random_tensor({kVocabulary, kWidth}, 2);
  at::Tensor targets_ = random_targets(rows_);
};

TEST_P(LossRowsTest, CrossEntropyAgreesWithTheReference) {
  for (const at::Tensor& bias : {at::Tensor(), random_tensor({kVocabulary}, 3)}) {
    const auto fused = [&](const at::Tensor& x) { return linear_cross_entropy(x, weight_, targets_, bias); };
    const auto reference = [&](const at::Tensor& x) {
      return linear_cross_entropy_reference(x, weight_, targets_, bias);
    };
    const double sum = reference(hidden_).item<double>();
    EXPECT_NEAR(fused(hidden_).item<double>(), sum, 1e-6 * sum);
    const at::Tensor factor = at::scalar_tensor(0.3);
    EXPECT_LT(max_difference(gradient_of(fused, hidden_, factor), gradient_of(reference, hidden_, factor)),
              5e-6);
  }
}

TEST_P(LossRowsTest, ScoresAreLogSoftmaxAtTheTargets) {
  const TargetScores scores =
      score_targets(hidden_, targets_, [&](const at::Tensor& block) { return at::mm(block, weight_.t()); });
  const at::Tensor logits = at::matmul(hidden_.to(at::kDouble), weight_.to(at::kDouble).t());
  const at::Tensor expected =
      at::log_softmax(logits, 1).gather(1, targets_.unsqueeze(1)).squeeze(1).to(at::kFloat);
  EXPECT_LT(max_difference(scores.log_probability, expected), 1e-5);
  EXPECT_TRUE(at::equal(scores.is_greedy, logits.argmax(1) == targets_));
}

TEST(ScoreTargets, TheFirstOfEqualLogitsIsGreedyInAnyLayout) {
  at::Tensor logits = random_tensor({300, kVocabulary}, 1);
  for (const std::int64_t column : {5, 30}) logits.narrow(1, column, 1).fill_(9.0);
  const auto by_rows = [](const at::Tensor& block) { return block; };
  const auto by_columns = [](const at::Tensor& block) { return block.t().contiguous().t(); };
  for (const std::int64_t id : {0, 5, 30, 36}) {
    const at::Tensor targets = at::full({300}, id, at::kLong);
    const TargetScores fused = score_targets(logits, targets, by_rows);
    const TargetScores reference = score_targets(logits, targets, by_columns);
    EXPECT_LT(max_difference(fused.log_probability, reference.log_probability), 1e-5);
    for (const TargetScores& scores : {fused, reference})
      EXPECT_EQ(scores.is_greedy.sum().item<std::int64_t>(), id == 5 ? 300 : 0);
  }
}

TEST(ScoreTargets, ALogitThatIsNotFiniteMakesItsRowNaN) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    at::Tensor logits = random_tensor({4, kVocabulary}, 3);
    logits[2][7] = bad;
    const at::Tensor targets = at::full({4}, 5, at::kLong);
    const at::Tensor expected = at::log_softmax(logits.to(at::kDouble), 1).select(1, 5);
    const auto by_rows = [](const at::Tensor& block) { return block.contiguous(); };
    const auto by_columns = [](const at::Tensor& block) { return block.t().contiguous().t(); };
    for (const TargetScores& scores :
         {score_targets(logits, targets, by_rows), score_targets(logits, targets, by_columns)}) {
      for (const std::int64_t row : {0, 1, 3})
        EXPECT_NEAR(scores.log_probability[row].item<double>(), expected[row].item<double>(), 1e-5);
      EXPECT_TRUE(std::isnan(scores.log_probability[2].item<double>())) << bad;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, LossRowsTest, testing::Values(0, 1, 255, 256, 257, 700));

TEST(LinearCrossEntropy, NoTargetsGiveZero) {
  const at::Tensor none = at::zeros({0, kWidth}), weight = random_tensor({kVocabulary, kWidth}, 2);
  EXPECT_EQ(linear_cross_entropy(none, weight, random_targets(0)).item<double>(), 0);
}

TEST(LinearCrossEntropy, EqualLogitsGiveTheLogarithmOfTheVocabulary) {
  const at::Tensor hidden = at::zeros({3, kWidth}), weight = random_tensor({kVocabulary, kWidth}, 2);
  EXPECT_NEAR(linear_cross_entropy(hidden, weight, random_targets(3)).item<double>(),
              3 * std::log(static_cast<double>(kVocabulary)), 1e-5);
}

TEST(LinearCrossEntropy, HugeLogitsStayFinite) {
  const at::Tensor hidden = random_tensor({5, kWidth}, 1) * 1000.0;
  const at::Tensor weight = random_tensor({kVocabulary, kWidth}, 2), targets = random_targets(5);
  const double expected = linear_cross_entropy_reference(hidden, weight, targets).item<double>();
  EXPECT_NEAR(linear_cross_entropy(hidden, weight, targets).item<double>(), expected, 1e-6 * expected);
}

TEST(LinearCrossEntropy, WithoutGradientsGivesTheSameValue) {
  const at::Tensor weight = random_tensor({kVocabulary, kWidth}, 2), targets = random_targets(5);
  const at::Tensor plain = random_tensor({5, kWidth}, 1);
  at::Tensor leaf = plain.clone();
  leaf.requires_grad_(true);
  EXPECT_EQ(linear_cross_entropy(plain, weight, targets).item<double>(),
            linear_cross_entropy(leaf, weight, targets).item<double>());
}

}  // namespace
}  // namespace quiver
