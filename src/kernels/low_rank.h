#pragma once

#include <ATen/core/Tensor.h>

namespace quiver {

// y + scale (x a^T) b, the update of LoRAs in training (Hu et al. 2021, equation 3): y (T, out), x (T, in),
// a (r, in), b (r, out). Differentiable in all tensors; y is changed in place and returned where the fused
// kernel applies to all of them.
at::Tensor add_low_rank(at::Tensor y, const at::Tensor& x, const at::Tensor& a, const at::Tensor& b,
                        double scale);
// The same in ATen's operators.
at::Tensor add_low_rank_reference(const at::Tensor& y, const at::Tensor& x, const at::Tensor& a,
                                  const at::Tensor& b, double scale);

}  // namespace quiver
