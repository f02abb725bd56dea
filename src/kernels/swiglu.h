#pragma once

#include <ATen/ATen.h>

namespace quiver {

// SwiGLU (Shazeer 2020, eq. 5 without the projections): silu(gate) * up.
// gate_up (T, 2 I) holds gate in its first I columns and up in the rest; returns (T, I). Differentiable.
at::Tensor swiglu(const at::Tensor& gate_up);
at::Tensor swiglu_reference(const at::Tensor& gate_up);

}  // namespace quiver
