#include <ATen/ATen.h>

#include "routing/routers/router_method.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::max_difference;
using test::random_tensor;

// What the router makes of one expert's only slot.
at::Tensor vectors_of(const RouterOptions& options, const LoraFactors& factors) {
  auto expert = std::make_shared<BoundExpert>();
  expert->factors[3] = factors;
  const ExpertSet experts({expert});
  const BaseFacts base;
  return router_method("spectral").vectors_of({options, experts, base}, 0).at(3);
}

// The norm that the router takes of x, from vectors.
at::Tensor norms(const at::Tensor& vectors, const at::Tensor& x) {
  return at::linalg_vector_norm(at::mm(x, vectors.t()), 2, {1});
}

TEST(Spectral, ProjectsOntoTheDirectionsOfTheUpdateOrMeasuresIt) {
  const LoraFactors factors{random_tensor({3, 20}, 1), random_tensor({3, 12}, 2)};
  const at::Tensor update = at::mm(factors.b.t(), factors.a);  // (out, in)
  const at::Tensor x = random_tensor({7, 20}, 3);
  const RouterOptions projection = parse_router("spectral");
  const auto [u, s, v] = at::linalg_svd(update.to(at::kDouble), false);
  EXPECT_LT(
      max_difference(norms(vectors_of(projection, factors), x), norms(v.narrow(0, 0, 3).to(at::kFloat), x)),
      1e-4);
  RouterOptions activation = projection;
  set_router_setting(activation, "score", "activation");
  EXPECT_LT(max_difference(norms(vectors_of(activation, factors), x),
                           at::linalg_vector_norm(at::mm(x, update.t()), 2, {1})),
            1e-3);
}

// Of rank 2 by its factors, 1 by what they do: one direction, whose projection is Arrow's.
TEST(Spectral, LeavesOutDirectionsThatTheUpdateLacks) {
  const at::Tensor a = random_tensor({1, 8}, 1);
  const LoraFactors factors{at::cat({a, a}), random_tensor({2, 5}, 2)};
  const at::Tensor vectors = vectors_of(parse_router("spectral"), factors);
  ASSERT_EQ(vectors.sizes(), (at::IntArrayRef{1, 8}));
  EXPECT_LT(max_difference(vectors.abs(), (a / a.norm()).abs()), 1e-5);
}

TEST(Spectral, AnUntrainedExpertHasNoDirection) {
  const LoraFactors factors{random_tensor({2, 8}, 1), at::zeros({2, 5})};
  const at::Tensor vectors = vectors_of(parse_router("spectral"), factors);
  EXPECT_EQ(vectors.abs().max().item<float>(), 0);  // refused by name when the model is composed
}

}  // namespace
}  // namespace quiver
