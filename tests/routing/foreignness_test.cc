#include "routing/foreignness.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/test_support.h"

namespace quiver {
namespace {

TEST(Foreignness, CombinesBothRanks) {
  const ForeignnessScale scale = make_foreignness_scale(at::tensor({0.9, 0.5, 0.7, 0.8}, at::kDouble),
                                                        at::tensor({3.0, 4.0, 1.0, 2.0}, at::kDouble));
  EXPECT_NEAR(scale.foreignness(0.95, 0.5), 0, 1e-12);                      // more at home than any row
  EXPECT_NEAR(scale.foreignness(0.75, 2.5), 2 * std::log(5.0 / 3), 1e-12);  // two rows as extreme, twice
  EXPECT_NEAR(scale.foreignness(0.1, 9), 2 * std::log(5.0), 1e-12);
  EXPECT_NEAR(scale.leverage_rank(2.0), 4.0 / 5, 1e-12);  // three rows lie as far out, and itself
  EXPECT_NEAR(scale.leverage_rank(4.5), 1.0 / 5, 1e-12);
  // The rows' own: 5/5 5/3, 5/2 5/2, 5/3 5/5, 5/4 5/4 ... in the order of the scores 0.9, 0.5, 0.7, 0.8.
  EXPECT_NEAR(scale.threshold(0.75), std::log(5.0 / 5 * 5 / 3), 1e-12);
}

}  // namespace
}  // namespace quiver
