#pragma once

#include <ATen/ATen.h>

#include "kernels/block_matrix.h"

namespace quiver {

// x W^T + bias with frozen weights: x (T, in), weight (out, in), bias (out) or undefined; (T, out).
// Differentiable in x.
//
// Up to 128 rows go through row_loops::dot_products: a few (decoding) as fast as the weight can be read. Up
// to blocks.few_rows() of them read `blocks` instead: the same weight as its file keeps it, which takes less
// time. For more rows, two matrix products are at hand in LibTorch: its BLAS, and oneDNN. On AMD processors
// with AVX-512 the BLAS stays with AVX2 and oneDNN is about twice as fast; there it is used for float32. The
// choice depends on the processor and on ATEN_CPU_CAPABILITY alone, so that a machine always computes the
// same bits.
at::Tensor frozen_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {},
                         const BlockMatrix& blocks = {});

// dy W: dy (T, out), weight (out, in); (T, in). The gradient of the above, without autograd.
at::Tensor frozen_linear_backward(const at::Tensor& dy, const at::Tensor& weight);

}  // namespace quiver
