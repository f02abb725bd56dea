#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdint>

namespace quiver {

// Whether a tensor can go through the fused kernels: contiguous float32 on the CPU. Everything else
// (bfloat16, CUDA) takes the ATen route that stands beside each kernel and is its reference in the tests.
inline bool fused_kernel_applies(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous();
}

// Whether an operation on x must leave a node for autograd. Going through a Function costs microseconds.
inline bool records_gradients(const at::Tensor& x) { return at::GradMode::is_enabled() && x.requires_grad(); }

// at::parallel_for over rows, in pieces of at least this many floats: less does not pay for waking a thread.
inline std::int64_t row_grain(std::int64_t row_floats) {
  constexpr std::int64_t kMinimumFloats = 8192;
  return std::max<std::int64_t>(1, kMinimumFloats / std::max<std::int64_t>(1, row_floats));
}

}  // namespace quiver
