#include "core/json.h"
#include "quiver/measures.h"
#include "support/test_support.h"

namespace quiver {
namespace {

// tests/golden/make_share_of_oracle.py: numpy on the same draws, where only the order of sums differs, and
// scipy on others. The ends of an interval from 1000 draws spread by about a tenth of its half width.
TEST(ShareOfOracleGolden, EqualsNumpyAndIsNearScipy) {
  const Json golden = read_json_file(test::golden_path("share_of_oracle.json"));
  ASSERT_EQ(golden.size(), 3u);
  for (const Json& wanted : golden) {
    const auto scores = [&](const char* key) { return wanted[key].get<std::vector<double>>(); };
    const auto share = share_of_oracle(scores("router"), scores("base"), scores("oracle"));
    ASSERT_TRUE(share);
    EXPECT_NEAR(share->value, wanted["share"].get<double>(), 1e-12);
    EXPECT_NEAR(share->low, wanted["low"].get<double>(), 1e-12);
    EXPECT_NEAR(share->high, wanted["high"].get<double>(), 1e-12);
    const double scipy_low = wanted["scipy_low"].get<double>();
    const double scipy_high = wanted["scipy_high"].get<double>();
    const double spread = 0.15 * (scipy_high - scipy_low);
    EXPECT_NEAR(share->low, scipy_low, spread);
    EXPECT_NEAR(share->high, scipy_high, spread);
  }
}

}  // namespace
}  // namespace quiver
