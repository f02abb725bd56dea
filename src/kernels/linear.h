#pragma once

#include <ATen/ATen.h>

#include "kernels/frozen_matrix.h"

namespace quiver {

// x W^T + bias with frozen weights: x (T, in), weight (out, in), bias (out) or undefined; (T, out).
// Differentiable in x, once. With weights in blocks x must be float32 on the CPU, and the result is: throws
// Error(kInvalidArgument) for another.
//
// Up to 128 rows go through row_loops::dot_products: a few (decoding) as fast as the weight can be read.
// Blocks are expanded in registers for up to 16 rows, and beyond that into memory that stays in the cache;
// for more than 128 rows, and for gradients, 16 MB of them at a time. For more rows, two matrix products are
// at hand in LibTorch: its BLAS, and oneDNN. On AMD processors with AVX-512 the BLAS stays with AVX2 and
// oneDNN is about twice as fast; there it is used for float32. The choice depends on the processor and on
// ATEN_CPU_CAPABILITY alone, so that a machine always computes the same bits. Blocks give the bits of the
// floats, but for sums over more than those 16 MB: gradients, then, are added up in another order.
at::Tensor frozen_linear(const at::Tensor& x, const FrozenMatrix& weight, const at::Tensor& bias = {});

// dy W: dy (T, out), weight (out, in); (T, in). The gradient of the above, without autograd.
at::Tensor frozen_linear_backward(const at::Tensor& dy, const FrozenMatrix& weight);

}  // namespace quiver
