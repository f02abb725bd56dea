#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "quiver/measures.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using Scores = std::vector<double>;

TEST(ShareOfOracle, IsTheShareOfTheGain) {
  // base 10, oracle 50, router 40 on average: (40 - 10) / (50 - 10)
  const auto share = share_of_oracle(Scores{30, 50}, Scores{5, 15}, Scores{40, 60});
  ASSERT_TRUE(share);
  EXPECT_DOUBLE_EQ(share->value, 0.75);
  // A draw is twice the first, one of each, or twice the second: 25/35, 60/80, 35/45.
  EXPECT_DOUBLE_EQ(share->low, 25.0 / 35);
  EXPECT_DOUBLE_EQ(share->high, 35.0 / 45);
}

TEST(ShareOfOracle, HasNoSpreadWherePromptsAreAlike) {
  const auto share = share_of_oracle(Scores(7, 0.25), Scores(7, 0.5), Scores(7, 1.0));
  ASSERT_TRUE(share);
  EXPECT_DOUBLE_EQ(share->value, -0.5);  // worse than the base
  EXPECT_DOUBLE_EQ(share->low, -0.5);
  EXPECT_DOUBLE_EQ(share->high, -0.5);
}

TEST(ShareOfOracle, AllPromptsAreDrawn) {
  // Right for one prompt of 200: how often it is drawn is nearly Poisson with mean 1. P(0) = .37, P(<= 2) =
  // .92 and P(<= 4) = .996, so the 97.5% quantile is 3 or, by chance, 4.
  for (const std::size_t right : {0u, 199u}) {
    Scores router(200, 0.0);
    router[right] = 1;
    const auto share = share_of_oracle(router, Scores(200, 0.0), Scores(200, 1.0));
    ASSERT_TRUE(share);
    EXPECT_DOUBLE_EQ(share->value, 1.0 / 200);
    EXPECT_DOUBLE_EQ(share->low, 0);
    EXPECT_GE(share->high, 2.999 / 200);
    EXPECT_LE(share->high, 4.001 / 200);
  }
}

TEST(ShareOfOracle, IsNothingWithoutACertainGain) {
  EXPECT_FALSE(share_of_oracle(Scores{1, 1}, Scores{1, 1}, Scores{1, 1}));
  EXPECT_FALSE(share_of_oracle(Scores{1, 1}, Scores{2, 2}, Scores{1, 1}));
  EXPECT_FALSE(share_of_oracle(Scores{}, Scores{}, Scores{}));
  // The gain comes from one prompt alone, which a quarter of the draws leave out.
  EXPECT_FALSE(share_of_oracle(Scores{1, 1}, Scores{1, 1}, Scores{1, 2}));
}

TEST(ShareOfOracle, RefusesWhatCannotBeCompared) {
  EXPECT_EQ(error_message([] {
              share_of_oracle(Scores{1, 2}, Scores{1}, Scores{1, 2});
            }),
            "a share of the oracle needs the same prompts: got 2 and 1 scores");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(error_message([&] { share_of_oracle(Scores{nan}, Scores{1}, Scores{2}); }), "a score is nan");
}

}  // namespace
}  // namespace quiver
