#include <ATen/ATen.h>

#include <cstdlib>
#include <map>
#include <vector>

#include "core/json.h"
#include "support/test_support.h"
#include "transforms/k_means.h"
#include "transforms/mbc.h"

// Against numpy and scikit-learn: tests/golden/make_mbc.py.
namespace quiver {
namespace {

const Json& golden() {
  static const Json content = read_json_file(test::golden_path("mbc.json"));
  return content;
}

at::Tensor vector_of(const Json& numbers) {
  return at::tensor(numbers.get<std::vector<double>>(), at::kDouble);
}

at::Tensor matrix(const Json& rows) {
  std::vector<at::Tensor> all;
  for (const Json& row : rows) all.push_back(vector_of(row));
  return at::stack(all);
}

// Names whose order is that of the numbers.
std::vector<std::string> expert_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i)
    names.push_back(std::string("expert_") + static_cast<char>('a' + i));
  return names;
}

// Labels renumbered by first appearance: equal for equal partitions.
std::vector<std::int64_t> by_first_member(const std::vector<std::int64_t>& labels) {
  std::map<std::int64_t, std::int64_t> numbers;
  std::vector<std::int64_t> renumbered;
  for (const std::int64_t label : labels) {
    const auto next = static_cast<std::int64_t>(numbers.size());
    renumbered.push_back(numbers.try_emplace(label, next).first->second);
  }
  return renumbered;
}

TEST(MbcGolden, SparsifyKeepsWhatNumpyKeeps) {
  const at::Tensor input = vector_of(golden()["sparsified"]["input"]).to(at::kFloat);
  for (const auto& [sparsity, kept] : golden()["sparsified"]["kept"].items()) {
    const at::Tensor expected = at::zeros_like(input);
    for (const std::int64_t i : kept.get<std::vector<std::int64_t>>()) expected[i] = input[i];
    EXPECT_TRUE(at::equal(sparsify(input, std::strtod(sparsity.c_str(), nullptr)), expected)) << sparsity;
  }
}

TEST(MbcGolden, SimilarityAndClustersOfTheReference) {
  const at::Tensor vectors = matrix(golden()["vectors"]).to(at::kFloat);
  const double sparsity = golden()["sparsity"];
  const std::vector<std::string> names = expert_names(vectors.size(0));
  for (std::int64_t i = 0; i < vectors.size(0); ++i) {
    const std::int64_t zeros =
        vectors.size(1) - sparsify(vectors[i], sparsity).count_nonzero().item<std::int64_t>();
    EXPECT_EQ(zeros, golden()["zeros"][i].get<std::int64_t>()) << i;
  }
  const at::Tensor similarity =
      cosine_similarity_matrix(names, [&](std::int64_t i) { return sparsify(vectors[i], sparsity); });
  EXPECT_TRUE(at::allclose(similarity.to(at::kDouble), matrix(golden()["similarity"]), 0, 1e-6));

  const Json& fit = golden()["clustering"];
  const KMeansResult result = k_means(similarity, {.k = fit["k"]});
  EXPECT_EQ(result.labels, by_first_member(fit["labels"]));
  EXPECT_NEAR(result.inertia, fit["inertia"].get<double>(), 1e-5);
  for (const auto& [cluster, members] : mbc_clusters(names, similarity, fit["k"])) {
    for (const std::string& member : members) {
      const auto i = static_cast<std::size_t>(member.back() - 'a');
      EXPECT_EQ(cluster, "cluster_" + std::to_string(result.labels[i]));
    }
  }
}

TEST(MbcGolden, InertiaOnUnstructuredRowsIsNoWorse) {
  const at::Tensor rows = matrix(golden()["unstructured"]["rows"]);
  for (const Json& fit : golden()["unstructured"]["fits"]) {
    const KMeansResult result = k_means(rows, {.k = fit["k"]});
    EXPECT_LE(result.inertia, fit["inertia"].get<double>() * 1.02) << fit["k"];
    // The inertia that is reported is the one of the labels.
    double inertia = 0;
    for (std::int64_t cluster = 0; cluster < result.clusters; ++cluster) {
      const at::Tensor own = rows.index({at::tensor(result.labels, at::kLong) == cluster});
      inertia += (own - own.mean(0)).square().sum().item<double>();
    }
    EXPECT_NEAR(result.inertia, inertia, 1e-9 * inertia);
  }
}

}  // namespace
}  // namespace quiver
