#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "kernels/linear.h"

namespace quiver {

// Linear layers of one group, weights stacked by rows. Immutable, thread-safe.
class StackedLinear {
 public:
  StackedLinear() = default;
  // `bias` (out) or undefined.
  explicit StackedLinear(FrozenMatrix weight, at::Tensor bias = {})
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  const FrozenMatrix& weight() const { return weight_; }  // (out, in)
  const at::Tensor& bias() const { return bias_; }

  // x W^T + bias: (T, in) to (T, out). Differentiable in x.
  at::Tensor apply(const at::Tensor& x) const { return frozen_linear(x, weight_, bias_); }

  // residual + apply(x); in place when no gradients are recorded.
  at::Tensor add_to(at::Tensor residual, const at::Tensor& x) const {
    return at::GradMode::is_enabled() ? residual + apply(x) : residual.add_(apply(x));
  }

 private:
  FrozenMatrix weight_;
  at::Tensor bias_;
};

}  // namespace quiver
