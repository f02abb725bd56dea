#include "transforms/evolution_search.h"

#include <gtest/gtest.h>

#include <cmath>

namespace quiver {
namespace {

TEST(EvolutionSearch, FindsTheBottomOfABowl) {
  const auto bowl = [](const std::vector<double>& x) {
    return std::pow(x[0] - 0.3, 2) + 4 * std::pow(x[1] + 0.7, 2) + 1;
  };
  std::int64_t evaluations = 0;
  double last = INFINITY;
  const SearchResult found =
      evolution_search(bowl, {.dimensions = 2, .evaluations = 300}, [&](std::int64_t number, double best) {
        EXPECT_EQ(number, ++evaluations);
        EXPECT_LE(best, last);
        last = best;
      });
  EXPECT_EQ(evaluations, 300);
  EXPECT_NEAR(found.point[0], 0.3, 1e-3);
  EXPECT_NEAR(found.point[1], -0.7, 1e-3);
  EXPECT_EQ(found.value, bowl(found.point));
  EXPECT_EQ(found.value, last);
}

TEST(EvolutionSearch, StaysInItsBounds) {
  const auto slope = [](const std::vector<double>& x) {
    for (const double value : x) EXPECT_LE(std::abs(value), 1.5);
    return x[0] - x[1];
  };
  const SearchResult found = evolution_search(slope, {.dimensions = 2, .evaluations = 200});
  EXPECT_EQ(found.point, (std::vector<double>{-1.5, 1.5}));
}

TEST(EvolutionSearch, TheSeedDecides) {
  const auto first = [](const std::vector<double>& x) { return std::pow(x[0] - 1, 2); };
  const auto point = [&](std::uint64_t seed) {
    return evolution_search(first, {.evaluations = 20, .seed = seed}).point;
  };
  EXPECT_EQ(point(1), point(1));
  EXPECT_NE(point(1), point(2));
  EXPECT_EQ(evolution_search(first, {.evaluations = 1}).point, std::vector<double>{0});  // the start alone
}

TEST(EvolutionSearch, KeepsNothingThatIsNotFinite) {
  const auto cliff = [](const std::vector<double>& x) {
    return x[0] > 0.2 ? NAN : x[0] > 0.1 ? -INFINITY : -x[0];
  };
  const SearchResult found = evolution_search(cliff, {.evaluations = 200});
  EXPECT_GT(found.point[0], 0.05);
  EXPECT_LE(found.point[0], 0.1);
}

}  // namespace
}  // namespace quiver
