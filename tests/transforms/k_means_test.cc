#include "transforms/k_means.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <set>

#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

at::Tensor column(std::vector<double> values) { return at::tensor(values, at::kDouble).unsqueeze(1); }

TEST(KMeans, FindsSeparatedGroupsAndNumbersThemByFirstMember) {
  const KMeansResult result = k_means(column({10, 0, 1, 11, 50, 0.5}), {.k = 3});
  EXPECT_EQ(result.labels, (std::vector<std::int64_t>{0, 1, 1, 0, 2, 1}));
  EXPECT_EQ(result.clusters, 3);
  EXPECT_NEAR(result.inertia, 0.5 + 0.5, 1e-12);  // (10, 11) and (0, 0.5, 1)
}

TEST(KMeans, OfOneClusterAndOfOneRowEach) {
  const at::Tensor rows = column({1, 2, 6});
  EXPECT_NEAR(k_means(rows, {.k = 1}).inertia, 14, 1e-12);  // around 3: 4 + 1 + 9
  const KMeansResult each = k_means(rows, {.k = 3});
  EXPECT_EQ(each.labels, (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_NEAR(each.inertia, 0, 1e-12);
  EXPECT_EQ(k_means(column({7}), {.k = 1}).labels, (std::vector<std::int64_t>{0}));
}

// Every split of a line into k runs is tried, so the optimum is known.
TEST(KMeans, ReachesTheOptimumOnALine) {
  at::manual_seed(11);
  const at::Tensor sorted = std::get<0>(at::randn({12}, at::kDouble).sort());
  const auto spread = [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor part = sorted.slice(0, begin, end);
    return (part - part.mean()).square().sum().item<double>();
  };
  double best = std::numeric_limits<double>::infinity();
  for (std::int64_t i = 1; i < 11; ++i) {
    for (std::int64_t j = i + 1; j < 12; ++j)
      best = std::min(best, spread(0, i) + spread(i, j) + spread(j, 12));
  }
  EXPECT_NEAR(k_means(sorted.unsqueeze(1), {.k = 3}).inertia, best, 1e-9);
}

TEST(KMeans, IsTheSameForTheSameSeed) {
  at::manual_seed(12);
  const at::Tensor rows = at::randn({40, 3}, at::kDouble);
  const KMeansResult first = k_means(rows, {.k = 7, .n_init = 1, .seed = 5});
  EXPECT_EQ(k_means(rows, {.k = 7, .n_init = 1, .seed = 5}).labels, first.labels);
  std::set<std::vector<std::int64_t>> found;
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    found.insert(k_means(rows, {.k = 7, .n_init = 1, .seed = seed}).labels);
  EXPECT_GT(found.size(), 1u);  // one start on unstructured rows depends on the seed
}

TEST(KMeans, OfFloat32RowsAndOfRowsFarFromZero) {
  at::manual_seed(13);
  // Wider than a block of rows is high, and more rows than one block holds.
  const at::Tensor rows = at::randn({300, 5000}, at::kFloat) + at::arange(300).remainder(4).unsqueeze(1);
  std::vector<std::int64_t> groups;
  for (std::int64_t i = 0; i < 300; ++i) groups.push_back(i % 4);
  for (const double shift : {0.0, 1e3}) {
    const at::Tensor moved = rows.to(at::kDouble) + shift;
    const KMeansResult result = k_means(moved, {.k = 4});
    EXPECT_EQ(result.labels, groups);
    double inertia = 0;
    for (std::int64_t group = 0; group < 4; ++group) {
      const at::Tensor own = moved.slice(0, group, 300, 4);
      inertia += (own - own.mean(0)).square().sum().item<double>();
    }
    EXPECT_NEAR(result.inertia, inertia, 1e-9 * inertia);
  }
  EXPECT_EQ(k_means(rows, {.k = 4}).labels, groups);
}

TEST(KMeans, OfEqualRowsHasFewerClusters) {
  const KMeansResult result = k_means(column({1, 1, 2, 1, 2}), {.k = 4});
  EXPECT_EQ(result.labels, (std::vector<std::int64_t>{0, 0, 1, 0, 1}));
  EXPECT_EQ(result.clusters, 2);
  EXPECT_NEAR(result.inertia, 0, 1e-12);
}

TEST(KMeans, RefusesBadInput) {
  const at::Tensor rows = column({1, 2, 3});
  EXPECT_EQ(error_message([&] { k_means(rows, {.k = 4}); }),
            "k = 4 clusters of 3 rows | k lies between 1 and the number of rows");
  EXPECT_NE(error_message([&] { k_means(rows, {.k = 0}); }).find("k = 0"), std::string::npos);
  EXPECT_NE(error_message([&] { k_means(rows, {.k = -3}); }).find("k = -3"), std::string::npos);
  EXPECT_EQ(error_message([&] { k_means(rows, {.k = 1, .n_init = 0}); }),
            "n_init 0 and max_iter 300 must be at least 1");
  EXPECT_EQ(error_message([&] { k_means(rows.to(at::kLong), {.k = 1}); }),
            "k-means needs rows (n, d) of float32 or float64");
  EXPECT_NE(error_message([&] {
              k_means(at::empty({0, 3}, at::kDouble), {.k = 1});
            }).find("0 rows"),
            std::string::npos);
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(error_message([&] {
                k_means(column({1, bad, 3}), {.k = 2});
              }),
              "k-means: row 1 holds a number that is not finite");
  }
}

}  // namespace
}  // namespace quiver
