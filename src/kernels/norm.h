#pragma once

#include <ATen/ATen.h>

namespace quiver {

// RMSNorm (Zhang and Sennrich 2019, eq. 4): x / sqrt(mean(x^2) + eps) * weight.
// x (T, D), weight (D) frozen; returns (T, D) in x's type. Differentiable in x.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

// The same in ATen operators: statistics in float32, cast to weight's type, multiplied, cast to x's type.
at::Tensor rms_norm_reference(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace quiver
