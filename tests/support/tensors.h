#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace quiver::test {

// Standard normal float32 numbers that depend on nothing but the seed.
inline at::Tensor random_tensor(at::IntArrayRef shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

// Largest absolute difference, in float64; infinite, with a failure, where the shapes differ or a number is
// NaN.
inline double max_difference(const at::Tensor& left, const at::Tensor& right) {
  if (left.sizes() != right.sizes()) {
    ADD_FAILURE() << "shapes " << left.sizes() << " and " << right.sizes();
    return std::numeric_limits<double>::infinity();
  }
  if (left.numel() == 0) return 0;
  const double difference = (left.to(at::kDouble) - right.to(at::kDouble)).abs().max().item<double>();
  if (difference == difference) return difference;
  ADD_FAILURE() << "a number is NaN";
  return std::numeric_limits<double>::infinity();
}

// The gradient of sum(function(x) * direction) with respect to x. The function gets a copy of x, which it may
// write to.
template <typename Function>
at::Tensor gradient_of(Function&& function, const at::Tensor& x, const at::Tensor& direction) {
  const at::AutoGradMode gradients(true);
  at::Tensor leaf = x.clone();
  leaf.requires_grad_(true);
  (function(leaf.clone()) * direction).sum().backward();
  return leaf.grad();
}

}  // namespace quiver::test
