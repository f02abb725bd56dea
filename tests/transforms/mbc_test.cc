#include "transforms/mbc.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cmath>
#include <limits>

#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

TEST(FlattenExpert, GoesThroughModulesInTheOrderOfNames) {
  Expert expert;
  expert.modules["q"] = {at::full({1, 2}, 3.0f), at::full({1, 1}, 4.0f), 1};
  expert.modules["k"] = {at::full({1, 2}, 1.0f), at::full({1, 1}, 2.0f), 1};
  EXPECT_TRUE(at::equal(flatten_expert(expert), at::tensor({1.0f, 1.0f, 2.0f, 3.0f, 3.0f, 4.0f})));
  expert.modules.clear();
  expert.info.name = "empty";
  EXPECT_EQ(error_message([&] { flatten_expert(expert); }), "expert 'empty' has no weights");
}

TEST(Sparsify, ZeroesUpToTheQuantile) {
  const at::Tensor flat = at::tensor({-4.0f, 1.0f, 3.0f, -2.0f, 5.0f});
  // The quantile of 1 2 3 4 5 at 0.5 is 3, at 0.6 it is 3.4, at 0 it is 1.
  EXPECT_TRUE(at::equal(sparsify(flat, 0.5), at::tensor({-4.0f, 0.0f, 0.0f, 0.0f, 5.0f})));
  EXPECT_TRUE(at::equal(sparsify(flat, 0.6), at::tensor({-4.0f, 0.0f, 0.0f, 0.0f, 5.0f})));
  EXPECT_TRUE(at::equal(sparsify(flat, 0.0), at::tensor({-4.0f, 0.0f, 3.0f, -2.0f, 5.0f})));
  EXPECT_TRUE(at::equal(sparsify(flat, 0.99), at::tensor({0.0f, 0.0f, 0.0f, 0.0f, 5.0f})));
  EXPECT_TRUE(at::equal(flat, at::tensor({-4.0f, 1.0f, 3.0f, -2.0f, 5.0f})));
}

TEST(Sparsify, TakesZerosEqualMagnitudesAndOneWeight) {
  EXPECT_TRUE(
      at::equal(sparsify(at::tensor({0.0f, 0.0f, 0.0f, 1.0f}), 0.2), at::tensor({0.0f, 0.0f, 0.0f, 1.0f})));
  EXPECT_TRUE(at::equal(sparsify(at::tensor({2.0f, -2.0f}), 0.2), at::zeros({2})));
  EXPECT_TRUE(at::equal(sparsify(at::tensor({2.0f}), 0.2), at::zeros({1})));
}

TEST(Sparsify, TakesMoreWeightsThanAtQuantile) {
  const std::int64_t count = (std::int64_t{1} << 24) + 4;
  const at::Tensor flat = at::ones({count}, at::kFloat);
  flat.narrow(0, 0, count / 4).fill_(-0.5);
  EXPECT_EQ(sparsify(flat, 0.2).count_nonzero().item<std::int64_t>(), count - count / 4);
}

TEST(Sparsify, RefusesBadInput) {
  const at::Tensor flat = at::ones({3});
  for (const double bad : {-0.1, 1.0, 1.5}) {
    EXPECT_NE(error_message([&] { sparsify(flat, bad); }).find("is not in [0, 1)"), std::string::npos);
  }
  EXPECT_NE(error_message([&] { sparsify(flat, std::nan("")); }).find("sparsity nan"), std::string::npos);
  EXPECT_EQ(error_message([] { sparsify(at::empty({0}), 0.2); }),
            "sparsify needs one vector with at least one weight");
  EXPECT_EQ(error_message([] {
              sparsify(at::tensor({1.0f, std::nanf("")}), 0.2);
            }),
            "sparsify: a weight is not finite");
}

std::vector<std::string> letters(std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) names.push_back(std::string(1, static_cast<char>('a' + i)));
  return names;
}

TEST(CosineSimilarity, IsTheSameForEveryMemoryLimit) {
  at::manual_seed(21);
  at::Tensor vectors = at::randn({7, 70000}) + 0.5;
  vectors[3].zero_();
  const at::Tensor wide = vectors.to(at::kDouble);
  const at::Tensor unit = wide / wide.norm(2, 1, true).clamp_min(1e-300);
  const at::Tensor expected = at::mm(unit, unit.t());
  std::int64_t most = 0;
  // All seven at once, three kept while one passes by, one and one.
  for (const std::int64_t memory : {std::int64_t{1} << 30, std::int64_t{4} * 70000 * 4, std::int64_t{1}}) {
    std::atomic<std::int64_t> calls = 0;
    const at::Tensor actual = cosine_similarity_matrix(
        letters(7), [&](std::int64_t i) { return ++calls, vectors[i]; }, memory);
    // float32 sums over stretches of columns: 1e-7.
    EXPECT_TRUE(at::allclose(actual.to(at::kDouble), expected, 0, 2e-7)) << memory;
    EXPECT_TRUE(at::equal(actual, actual.t()));
    EXPECT_TRUE(at::equal(actual.diagonal(), at::tensor({1, 1, 1, 0, 1, 1, 1}).to(at::kFloat)));
    most = std::max(most, calls.load());
  }
  EXPECT_EQ(most, 1 + 7 * 8 / 2);  // one row at a time: each pair once, and the first for its length
  EXPECT_EQ(cosine_similarity_matrix({}, {}).numel(), 0);
}

TEST(CosineSimilarity, ReadsTheStreamedExpertsOncePerFilling) {
  // 40 fit: 35 are kept while 5 at a time pass by, so 100 experts take three fillings.
  std::vector<std::atomic<int>> calls(100);
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back(std::to_string(i));
  const auto vector_of = [&](std::int64_t i) {
    ++calls[static_cast<std::size_t>(i)];
    return at::full({10}, static_cast<float>(i + 1));
  };
  EXPECT_TRUE(at::allclose(cosine_similarity_matrix(names, vector_of, 40 * 10 * 4), at::ones({100, 100})));
  EXPECT_EQ(calls[0], 2);  // the first is asked for its length, too
  EXPECT_EQ(calls[34], 1);
  EXPECT_EQ(calls[35], 2);
  EXPECT_EQ(calls[99], 3);
}

TEST(CosineSimilarity, OfKnownVectors) {
  const std::vector<at::Tensor> vectors = {at::tensor({3.0f, 4.0f}), at::tensor({-6.0f, -8.0f}),
                                           at::tensor({4.0f, 3.0f}), at::zeros({2})};
  const at::Tensor actual = cosine_similarity_matrix(letters(4), [&](std::int64_t i) { return vectors[i]; });
  const at::Tensor expected =
      at::tensor({1., -1., .96, 0., -1., 1., -.96, 0., .96, -.96, 1., 0., 0., 0., 0., 0.}, at::kDouble)
          .view({4, 4});
  EXPECT_TRUE(at::allclose(actual.to(at::kDouble), expected, 0, 1e-6)) << actual;
}

TEST(CosineSimilarity, RefusesBadVectorsByName) {
  const auto message = [](std::vector<at::Tensor> vectors) {
    return error_message(
        [&] { cosine_similarity_matrix(letters(2), [&](std::int64_t i) { return vectors[i]; }); });
  };
  EXPECT_EQ(
      message({at::ones({3}), at::ones({4})}),
      "expert 'b' has 4 weights, expert 'a' has 3 | clustering compares experts of one shape: same base "
      "model, rank and modules");
  EXPECT_EQ(message({at::ones({2}), at::tensor({1.0f, std::nanf("")})}),
            "expert 'b' holds a weight that is not finite");
  EXPECT_EQ(message({at::full({1}, std::numeric_limits<float>::infinity()), at::ones({1})}),
            "expert 'a' holds a weight that is not finite");
  EXPECT_NE(message({at::empty({0}), at::empty({0})}).find("has 0 weights"), std::string::npos);
}

TEST(MbcClusters, DependOnNamesNotOnTheirOrder) {
  // d and a point one way, c and b another.
  const std::vector<std::string> names = {"d", "c", "b", "a"};
  const at::Tensor similarity =
      at::tensor({1., .1, 0., .9, .1, 1., .8, 0., 0., .8, 1., .1, .9, 0., .1, 1.}, at::kDouble).view({4, 4});
  const std::map<std::string, std::vector<std::string>> expected = {{"cluster_0", {"a", "d"}},
                                                                    {"cluster_1", {"b", "c"}}};
  EXPECT_EQ(mbc_clusters(names, similarity, 2), expected);
  const std::vector<std::string> reversed(names.rbegin(), names.rend());
  EXPECT_EQ(mbc_clusters(reversed, similarity.flip({0, 1}), 2), expected);
  EXPECT_EQ(mbc_clusters(names, similarity, 1).at("cluster_0").size(), 4u);
  EXPECT_EQ(mbc_clusters(names, similarity, 4).size(), 4u);
}

TEST(MbcClusters, RefuseBadInput) {
  const at::Tensor similarity = at::eye(2, at::kDouble);
  const auto message = [&](std::vector<std::string> names, std::int64_t k) {
    return error_message([&] { mbc_clusters(names, similarity, k); });
  };
  EXPECT_EQ(message({"a", "b"}, 3),
            "cannot make 3 clusters of 2 experts | k lies between 1 and the number of experts");
  EXPECT_NE(message({"a", "b"}, 0).find("cannot make 0 clusters"), std::string::npos);
  EXPECT_EQ(message({"a", "a"}, 1), "expert 'a' is listed twice");
  EXPECT_EQ(message({"a"}, 1), "similarities [2, 2] do not fit 1 experts");
  EXPECT_NE(error_message([] {
              mbc_clusters(letters(2), at::full({2, 2}, std::nan(""), at::kDouble), 1);
            }).find("row 0 holds a number that is not finite"),
            std::string::npos);
}

}  // namespace
}  // namespace quiver
