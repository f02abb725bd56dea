#include "routing/prototypes.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

at::Tensor random_tensor(at::IntArrayRef shape) { return at::randn(shape, at::kFloat); }

// |cos| between the prototype and the first right singular vector of the dense product.
double agreement(const at::Tensor& a, const at::Tensor& b, const at::Tensor& prototype) {
  const at::Tensor dense = at::mm(b.to(at::kDouble), a.to(at::kDouble));
  const at::Tensor v = std::get<2>(at::linalg_svd(dense, false))[0];
  const at::Tensor p = prototype.to(at::kDouble);
  return std::abs((v.dot(p) / p.norm()).item<double>());
}

TEST(ArrowPrototype, OfAHandWorkedPair) {
  // B A = [[3, 4], [0, 0]]: the only right singular vector with a value above 0 is (3, 4) / 5.
  const at::Tensor a = at::tensor({3.0f, 4.0f}).view({1, 2});
  const at::Tensor b = at::tensor({-1.0f, 0.0f}).view({2, 1});
  const at::Tensor prototype = arrow_prototype(a, b);
  EXPECT_EQ(prototype.scalar_type(), at::kFloat);
  EXPECT_FLOAT_EQ(prototype[0].item<float>(), 0.6f);
  EXPECT_FLOAT_EQ(prototype[1].item<float>(), 0.8f);
}

TEST(ArrowPrototype, AgreesWithTheSvdOfTheDenseProduct) {
  at::manual_seed(1);
  struct Shape {
    std::int64_t rank, in, out;
  };
  for (const auto& [rank, in, out] : {Shape{1, 7, 5}, Shape{4, 576, 192}, Shape{4, 64, 3}, Shape{8, 5, 6},
                                      Shape{16, 48, 8}, Shape{3, 1, 4}, Shape{2, 9, 1}, Shape{64, 80, 96}}) {
    const at::Tensor a = random_tensor({rank, in});
    const at::Tensor b = random_tensor({out, rank});
    const at::Tensor prototype = arrow_prototype(a, b);
    EXPECT_GT(agreement(a, b, prototype), 1 - 1e-6) << rank << " " << in << " " << out;
    EXPECT_NEAR(prototype.norm().item<double>(), 1, 1e-6);
    EXPECT_GT(prototype[prototype.abs().argmax().item<std::int64_t>()].item<float>(), 0);
  }
}

TEST(ArrowPrototype, OfRankDeficientAndBadlyScaledFactors) {
  at::manual_seed(2);
  at::Tensor a = random_tensor({4, 40});
  at::Tensor b = random_tensor({30, 4});
  a[3].copy_(a[1]);  // rank 3
  EXPECT_GT(agreement(a, b, arrow_prototype(a, b)), 1 - 1e-6);
  b.select(1, 0).zero_();
  EXPECT_GT(agreement(a, b, arrow_prototype(a, b)), 1 - 1e-6);
  // B ignores the direction that dominates A: squaring the factors would lose what is left.
  a = at::cat({a.narrow(0, 1, 1) * 1e6, random_tensor({3, 40})});
  b = at::cat({at::zeros({30, 1}), random_tensor({30, 3})}, 1);
  EXPECT_GT(agreement(a, b, arrow_prototype(a, b)), 1 - 1e-6);
  EXPECT_GT(agreement(a, b, arrow_prototype(a * 1e-20, b * 1e-20)), 1 - 1e-6);
}

TEST(ArrowPrototype, OfProductsThatNearlyCancel) {
  at::manual_seed(5);
  const at::Tensor row = random_tensor({1, 40}), column = random_tensor({30, 1});
  for (const double rest : {1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7}) {
    const at::Tensor a = at::cat({row, row + rest * random_tensor({1, 40})});
    const at::Tensor b = at::cat({column, rest * random_tensor({30, 1}) - column}, 1);
    EXPECT_GT(agreement(a, b, arrow_prototype(a, b)), 1 - 1e-9) << rest;
  }
}

TEST(ArrowPrototype, IgnoresScaleSignAndStorage) {
  at::manual_seed(3);
  const at::Tensor a = random_tensor({4, 32});
  const at::Tensor b = random_tensor({16, 4});
  const at::Tensor expected = arrow_prototype(a, b);
  EXPECT_TRUE(at::allclose(arrow_prototype(a, b * -7), expected, 0, 1e-6));
  EXPECT_TRUE(at::allclose(arrow_prototype(a.t().contiguous().t(), b), expected, 0, 1e-6));
  EXPECT_TRUE(at::equal(arrow_prototype(a.to(at::kBFloat16), b),
                        arrow_prototype(a.to(at::kBFloat16).to(at::kFloat), b)));
}

TEST(ArrowPrototypes, OfManyPairsEqualThoseOfEach) {
  at::manual_seed(4);
  std::vector<at::Tensor> a, b;
  for (int i = 0; i < 150; ++i) {
    a.push_back(random_tensor({i % 5 == 0 ? 2 : 4, 48}));
    b.push_back(random_tensor({i % 3 == 0 ? 24 : 48, a.back().size(0)}));
    if (i == 70) b.back().select(1, 0).zero_();  // its neighbours then go the slower way too
  }
  const std::vector<at::Tensor> all = arrow_prototypes(a, b);
  ASSERT_EQ(all.size(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(at::allclose(all[i], arrow_prototype(a[i], b[i]), 0, 1e-6)) << i;
  }
  EXPECT_TRUE(arrow_prototypes({}, {}).empty());
}

TEST(ArrowPrototype, RefusesWhatHasNoDirection) {
  const at::Tensor a = at::ones({2, 5});
  const at::Tensor b = at::ones({3, 2});
  const std::string zero = "zero update: B A is 0 and has no direction";
  EXPECT_EQ(error_message([&] {
              arrow_prototype(a, at::zeros({3, 2}));
            }),
            zero + " | train the expert first");
  EXPECT_EQ(error_message([&] {
              arrow_prototype(at::zeros({2, 5}), b);
            }),
            zero + " | train the expert first");
  // Neither factor is 0 but the product is.
  const at::Tensor difference = at::tensor({0.1f, -0.1f}).expand({3, 2});
  EXPECT_EQ(error_message([&] { arrow_prototype(a, difference); }), zero + " | train the expert first");
  EXPECT_EQ(error_message([&] {
              arrow_prototypes(std::vector{a, a}, std::vector{b, at::zeros({3, 2})});
            }),
            zero + " (pair 1) | train the expert first");
}

TEST(ArrowPrototype, RefusesBadFactors) {
  const at::Tensor a = at::ones({2, 5});
  const at::Tensor b = at::ones({3, 2});
  EXPECT_EQ(error_message([&] {
              arrow_prototype(a, at::ones({3, 4}));
            }),
            "A [2, 5] and B [3, 4] are not (r, in) and (out, r)");
  EXPECT_EQ(error_message([&] {
              arrow_prototype(at::empty({0, 5}), at::empty({3, 0}));
            }),
            "A [0, 5] and B [3, 0] are not (r, in) and (out, r)");
  EXPECT_EQ(error_message([&] { arrow_prototype(at::Tensor(), b); }), "a LoRA factor is absent");
  EXPECT_EQ(error_message([&] { arrow_prototype(a.to(at::kLong), b); }), "a LoRA factor is not floating");
  EXPECT_EQ(error_message([&] {
              arrow_prototypes(std::vector{a, a}, std::vector{b});
            }),
            "2 factors A but 1 factors B");
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    at::Tensor broken = at::ones({2, 5});
    broken[1][2] = bad;
    broken[1][3] = -bad;
    EXPECT_EQ(error_message([&] { arrow_prototype(broken, b); }),
              "a LoRA factor holds a number that is not finite");
  }
}

TEST(CheckPrototypes, RefusesAbsentZeroAndBrokenRows) {
  const std::vector<std::string> names = {"first", "second"};
  const std::string slot = "layers.0.q_proj";
  const auto message = [&](const at::Tensor& prototypes) {
    return error_message([&] { check_prototypes(prototypes, names, slot); });
  };
  const std::string hint =
      " | compute them: quiver prototypes arrow LIBRARY, or quiver prototypes phatgoose LIBRARY -c FILE";
  EXPECT_NO_THROW(check_prototypes(at::ones({2, 3}), names, slot));
  EXPECT_EQ(message({}), "expert 'first' has no prototype in slot 'layers.0.q_proj'" + hint);
  EXPECT_EQ(message(at::ones({1, 3})), "expert 'second' has no prototype in slot 'layers.0.q_proj'" + hint);
  EXPECT_EQ(message(at::empty({2, 0})), "expert 'first' has no prototype in slot 'layers.0.q_proj'" + hint);
  EXPECT_EQ(message(at::ones({3, 3})), "slot 'layers.0.q_proj' has 3 prototypes for 2 experts");
  at::Tensor prototypes = at::ones({2, 3});
  prototypes[1].zero_();
  EXPECT_EQ(message(prototypes),
            "the prototype of expert 'second' in slot 'layers.0.q_proj' is all zeros" + hint);
  prototypes[1][0] = std::nan("");
  EXPECT_EQ(
      message(prototypes),
      "the prototype of expert 'second' in slot 'layers.0.q_proj' holds a number that is not finite" + hint);
}

}  // namespace
}  // namespace quiver
